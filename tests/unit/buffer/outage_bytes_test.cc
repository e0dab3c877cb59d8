// SPDX-License-Identifier: Apache-2.0
// What small requests cost on disk while nothing can be delivered: Q7.

#include <gtest/gtest.h>

#include "buffer/side_file.h"
#include "tests/support/sparse_log.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::SparseLog;

constexpr uint64_t kHourMs = 3'600'000;

class OutageBytes : public ::testing::Test {
 protected:
  void SetUp() override {
    sparse.harness.profile.chunk_bytes_max = 100'000;
    sparse.start();
  }
  Log& log() { return sparse.log(); }

  SparseLog sparse;
};

// Each request has a commit to itself, which takes 4096 bytes of its segment. Once that is left,
// what is in it is moved together: the hour ends within four times what it stored.
TEST_F(OutageBytes, Q7AnHourOfSmallRequestsStaysWithinItsBound) {
  constexpr int kRequests = 4000;
  constexpr int kBetween = 400;  // rounds in which time passes for housekeeping
  uint64_t most = 0;
  for (int i = 1; i <= kRequests; ++i) {
    sparse.harness.append({std::string(250, static_cast<char>('a' + i % 26))});
    ASSERT_TRUE(sparse.harness.commit());
    sparse.fail_all();
    most = std::max(most, log().status().disk_bytes);
    if (i % kBetween != 0) continue;
    sparse.let_it_move();
    sparse.harness.clock.running += kHourMs * kBetween / kRequests;
    sparse.fail_all();
    const uint64_t bound = 4 * log().segments().live_bytes() + 3 * SparseLog::kSegmentBytes;
    ASSERT_LE(log().status().disk_bytes, bound) << "after " << i << " requests";
  }
  EXPECT_GT(sparse.total(Metric::kMovedChunks), 0U);
  std::printf("%d requests of 250 bytes: at most %lu KiB on disk, at the end %lu KiB, live %lu\n",
              kRequests, most / 1024, log().status().disk_bytes / 1024,
              log().segments().live_bytes() / 1024);
  sparse.cut_power_and_start();
  EXPECT_EQ(sparse.deliver_all().size(), 250U * kRequests);
  EXPECT_EQ(sparse.damaged, 0U);
}

}  // namespace
}  // namespace millrace::buffer
