// SPDX-License-Identifier: Apache-2.0
// Requests as large as what is left of a segment, or larger than any: one group, whole after a
// power cut.

#include <gtest/gtest.h>

#include "io/lossy.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

class LargeRequest : public ::testing::Test {
 protected:
  void SetUp() override {
    harness_.profile.chunk_bytes_max = 64 << 20;
    ASSERT_TRUE(harness_.start());
  }

  void store(std::string record) {
    harness_.append({record});
    ASSERT_TRUE(harness_.commit());
    stored_ += record;
  }
  uint64_t room_in_segment() {
    const Segment newest = *harness_.log().segments().newest();
    return newest.file_bytes - kSegmentHeaderBytes - (newest.end_lsn - newest.base_lsn);
  }
  void expect_all_after_a_power_cut() {
    harness_.stop();
    files_.cut_power();
    ASSERT_TRUE(harness_.start());
    EXPECT_TRUE(harness_.drain() == stored_);
    for (const Metric alarm :
         {Metric::kMissingSegments, Metric::kCorruptBytes, Metric::kTornBytes}) {
      EXPECT_EQ(harness_.registry.total(alarm), 0U);
    }
  }

  io::LossyFileSystem files_;
  LogHarness harness_{files_};
  std::string stored_;
};

class AtTheEndOfASegment : public LargeRequest, public ::testing::WithParamInterface<int> {};

// By so many bytes more or less it would fill its segment to the last byte.
TEST_P(AtTheEndOfASegment, Q1ARequestEndsThereOrGoesIntoTheNext) {
  store("opens the chunk;");
  while (room_in_segment() > kDataPayloadBytesMax) store(std::string(500'000, 'f'));
  const uint64_t rolls = harness_.registry.total(Metric::kRolls);
  const uint64_t room = room_in_segment();
  ASSERT_GT(room, kBlockBytes);
  const uint64_t exact = room - kGroupHeaderBytes - kFrameHeaderBytes;
  store(std::string(static_cast<size_t>(static_cast<int64_t>(exact) + GetParam()), 'e'));
  const bool fits = GetParam() <= 0;
  EXPECT_EQ(harness_.registry.total(Metric::kRolls), rolls + (fits ? 0 : 1));
  if (fits) {
    EXPECT_EQ(room_in_segment(), 0U);
  }
  expect_all_after_a_power_cut();
}

TEST_P(AtTheEndOfASegment, Q1TheNextCommitFollowsInANewSegment) {
  store("opens the chunk;");
  while (room_in_segment() > kDataPayloadBytesMax) store(std::string(500'000, 'f'));
  const uint64_t exact = room_in_segment() - kGroupHeaderBytes - kFrameHeaderBytes;
  store(std::string(static_cast<size_t>(static_cast<int64_t>(exact) + GetParam()), 'e'));
  store("behind it;");
  EXPECT_EQ(harness_.registry.total(Metric::kRolls), 1U);
  expect_all_after_a_power_cut();
}

INSTANTIATE_TEST_SUITE_P(Bytes, AtTheEndOfASegment, ::testing::Values(-9, -1, 0, 1, 8));

TEST_F(LargeRequest, Q1OneThatIsLargerThanItsSegmentGetsALargerOne) {
  std::vector<std::string> records;
  for (int i = 0; i < 30; ++i) {
    records.push_back(std::to_string(i) + std::string(500'000, 'r'));
    stored_ += records.back();
  }
  harness_.append(records);
  ASSERT_TRUE(harness_.commit());
  EXPECT_EQ(harness_.registry.total(Metric::kStoredRequests), 1U);
  EXPECT_GT(harness_.log().segments().newest()->file_bytes, 15'000'000U);
  store("after it;");
  expect_all_after_a_power_cut();
}

}  // namespace
}  // namespace millrace::buffer
