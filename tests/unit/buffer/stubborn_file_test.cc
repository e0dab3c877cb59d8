// SPDX-License-Identifier: Apache-2.0
// One file that the disk will not have cut or removed, among others with which nothing is wrong.

#include <gtest/gtest.h>

#include <algorithm>

#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

class StubbornFile : public ::testing::Test {
 protected:
  // Four segments, of which the first three were left; nothing in them is delivered.
  void SetUp() override {
    disk_.set_reservation_max("spare.", 1 << 20);
    ASSERT_TRUE(harness_.start());
    while (log().segments().count() < 4) {
      // Housekeeping makes the spares, and meets the fault in each round.
      if (log().segments().count() == 1) fail_first(io::Call::kOpen);
      harness_.append({std::string(90'000, 'r')});
      log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness_.commit());
    }
    log().tend();
  }

  Log& log() { return harness_.log(); }
  std::string first() { return log().segments().all().front().name; }
  void fail_first(io::Call call) {
    files_.set(io::Fault{.call = call, .path_glob = "*/" + first(), .times = io::kForEver});
  }
  std::vector<bool> finished() {
    std::vector<bool> finished;
    for (const Segment& segment : log().segments().all()) finished.push_back(segment.finished);
    return finished;
  }

  io::SimulatedFileSystem disk_;
  io::FaultyFileSystem files_{disk_};
  testing::LogHarness harness_{files_};
};

TEST_F(StubbornFile, ThatCannotBeCutIsLeftBehindByTheOthers) {
  EXPECT_EQ(finished(), (std::vector<bool>{false, true, true, false}));
  const uint64_t failed = files_.failed();
  log().tend();
  EXPECT_EQ(files_.failed(), failed) << "not five times a second";
  files_.set(std::nullopt);
  harness_.clock.running += 70'000;
  log().tend();
  EXPECT_EQ(finished(), (std::vector<bool>{true, true, true, false}));
}

TEST_F(StubbornFile, ThatCannotBeRemovedIsLeftBehindByTheOthers) {
  files_.set(std::nullopt);
  harness_.clock.running += 70'000;
  log().tend();
  fail_first(io::Call::kUnlink);
  const std::string name = first();
  harness_.drain();
  log().tend();
  EXPECT_EQ(log().segments().count(), 2U);
  EXPECT_EQ(first(), name);
  EXPECT_GT(files_.failed(), 0U);
  const uint64_t failed = files_.failed();
  log().tend();
  EXPECT_EQ(files_.failed(), failed);
  files_.set(std::nullopt);
  harness_.clock.running += 1000;
  log().tend();
  EXPECT_EQ(log().segments().count(), 1U);
  EXPECT_NE(first(), name);
}

}  // namespace
}  // namespace millrace::buffer
