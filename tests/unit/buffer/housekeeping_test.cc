// SPDX-License-Identifier: Apache-2.0
#include "buffer/housekeeping.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <thread>

#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using Clock = std::chrono::steady_clock;

class HousekeepingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(harness_.start());
    housekeeping_.add(harness_.log(), commits_);
  }

  // What a start after a power cut at this moment would deliver.
  size_t queued_after_a_power_cut() {
    const io::DiskState& now = snapshots_.emplace_back(disk_.state());
    io::SimulatedFileSystem left(
        now.after_power_cut(std::vector<io::Survival>(now.change_count())));
    testing::LogHarness next(left);
    CHECK(next.start().has_value());
    return next.log().queue().counts().queued;
  }

  io::SimulatedFileSystem disk_;
  // Kept until the threads that write have ended: a snapshot shares its pages with the disk, which
  // writes in place again once nobody else counts, and its count orders nothing between threads.
  std::deque<io::DiskState> snapshots_;
  testing::LogHarness harness_{disk_};
  CommitThread commits_{"commit", [] {}};
  Housekeeping housekeeping_;
};

// Nobody asks for it and nothing else happens: a power cut brings chunks again only for so long.
TEST_F(HousekeepingTest, G5LinesAreSoonDurable) {
  for (int i = 0; i < 5; ++i) {
    harness_.append({"record;"});
    harness_.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness_.commit());
  }
  housekeeping_.start();
  for (size_t left = 5; left-- > 0;) {
    harness_.finish(*harness_.take());
    const auto finished = Clock::now();
    while (queued_after_a_power_cut() > left) {
      ASSERT_LT(Clock::now() - finished, std::chrono::seconds(20));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::printf(
        "    a line was durable after %ld ms\n",
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - finished).count());
  }
}

TEST_F(HousekeepingTest, AStopLeavesNoLineBehind) {
  harness_.append({"record;"});
  harness_.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness_.commit());
  housekeeping_.start();
  harness_.finish(*harness_.take());
  housekeeping_.stop();
  EXPECT_EQ(queued_after_a_power_cut(), 0U);
}

}  // namespace
}  // namespace millrace::buffer
