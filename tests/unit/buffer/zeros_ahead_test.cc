// SPDX-License-Identifier: Apache-2.0
#include "buffer/zeros_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "buffer/segment_file.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kCapacity = 4ULL << 20;

// The bytes of zeros that a commit of [offset, end) takes along.
uint64_t zeros_of(ZerosAhead& ahead, uint64_t offset, uint64_t end, uint64_t capacity = kCapacity) {
  std::vector<iovec> content;
  ahead.add(content, offset, end, capacity);
  uint64_t bytes = 0;
  for (const iovec& part : content) {
    const char* const begin = static_cast<const char*>(part.iov_base);
    EXPECT_TRUE(std::all_of(begin, begin + part.iov_len, [](char byte) { return byte == '\0'; }));
    bytes += part.iov_len;
  }
  return bytes;
}

TEST(ZerosAhead, ASmallCommitTakesThemAndTheNextOnesFindThem) {
  ZerosAhead ahead;
  ahead.begin(8192);
  EXPECT_EQ(zeros_of(ahead, 8192, 12288), ZerosAhead::kBytes);
  uint64_t at = 12288;
  for (; at + 4096 <= 12288 + ZerosAhead::kBytes; at += 4096) {
    ASSERT_EQ(zeros_of(ahead, at, at + 4096), 0U) << at;
  }
  EXPECT_EQ(zeros_of(ahead, at, at + 4096), ZerosAhead::kBytes);
}

TEST(ZerosAhead, ALargeCommitTakesNone) {
  ZerosAhead ahead;
  ahead.begin(4096);
  const uint64_t end = 4096 + ZerosAhead::kSmallCommitBytes;
  EXPECT_EQ(zeros_of(ahead, 4096, end + 4096), 0U);
  EXPECT_EQ(zeros_of(ahead, end + 4096, end + 4096 + ZerosAhead::kSmallCommitBytes),
            ZerosAhead::kBytes);
}

TEST(ZerosAhead, EndWithTheFile) {
  ZerosAhead ahead;
  ahead.begin(4096);
  EXPECT_EQ(zeros_of(ahead, 4096, 8192, 8192 + 20'000), 20'000U);
  EXPECT_EQ(zeros_of(ahead, 8192 + 16384, 8192 + 20'000, 8192 + 20'000), 0U);
}

TEST(ZerosAhead, BeginAnewInAnotherFile) {
  ZerosAhead ahead;
  ahead.begin(4096);
  zeros_of(ahead, 4096, 8192);
  ahead.begin(8192);
  EXPECT_EQ(zeros_of(ahead, 8192, 12288), ZerosAhead::kBytes);
}

// Every record is where it was laid out, whatever was written ahead of it before.
TEST(ZerosAhead, ALogOfSmallAndLargeCommitsHoldsWhatWasCommitted) {
  io::SimulatedFileSystem files;
  testing::LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  std::string stored;
  for (int i = 0; i < 400; ++i) {
    const std::string record(i % 7 == 0 ? 60'000 : 100, static_cast<char>('a' + i % 26));
    harness.append({record});
    ASSERT_TRUE(harness.commit());
    harness.log().tend();
    stored += record;
  }
  ASSERT_GT(harness.registry.total(metrics::Metric::kRolls), 0U);
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_TRUE(harness.drain() == stored);
  EXPECT_EQ(harness.registry.total(metrics::Metric::kCorruptBytes), 0U);
}

}  // namespace
}  // namespace millrace::buffer
