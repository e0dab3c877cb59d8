// SPDX-License-Identifier: Apache-2.0
#include "buffer/commit_pace.h"

#include <gtest/gtest.h>

namespace millrace::buffer {
namespace {

constexpr uint64_t kCommitUs = 200;
constexpr uint64_t kSmallBytes = 4096;

class CommitPaceTest : public ::testing::Test {
 protected:
  // A commit of `requests` requests that took kCommitUs; so many more are laid out meanwhile.
  void commit(size_t requests, size_t laid_out) {
    pace_.submitted(now_us_);
    now_us_ += kCommitUs;
    pace_.committed(requests, laid_out, now_us_);
  }
  bool waits(size_t laid_out, uint64_t bytes = kSmallBytes) {
    return pace_.waits(laid_out, bytes, now_us_);
  }

  CommitPace pace_;
  uint64_t now_us_ = 1'000'000;
};

TEST_F(CommitPaceTest, TheFirstCommitIsDue) { EXPECT_FALSE(waits(1)); }

TEST_F(CommitPaceTest, AClientAloneNeverWaits) {
  for (int i = 0; i < 5000; ++i) {
    commit(1, 0);
    now_us_ += 30;
    ASSERT_FALSE(waits(1));
  }
}

TEST_F(CommitPaceTest, WhoWasAckedIsWaitedFor) {
  commit(4, 4);  // four more came during the commit
  for (size_t laid_out = 4; laid_out < 8; ++laid_out) EXPECT_TRUE(waits(laid_out)) << laid_out;
  EXPECT_FALSE(waits(8));
  EXPECT_FALSE(waits(8)) << "what was due stays due";
  commit(8, 0);
  EXPECT_TRUE(waits(7));
  EXPECT_FALSE(waits(8));
}

TEST_F(CommitPaceTest, ALargeBatchIsDue) {
  commit(4, 1);
  EXPECT_TRUE(waits(2, CommitPace::kEnoughBytes - 1));
  EXPECT_FALSE(waits(2, CommitPace::kEnoughBytes));
}

TEST_F(CommitPaceTest, NobodyWaitsLongerThanACommitTook) {
  commit(4, 1);
  now_us_ += kCommitUs - 1;
  EXPECT_TRUE(waits(2));
  now_us_ += 1;
  EXPECT_FALSE(waits(2));
}

TEST_F(CommitPaceTest, ASlowDiskDoesNotMakeItWaitLong) {
  pace_.submitted(now_us_);
  now_us_ += 50'000;
  pace_.committed(4, 1, now_us_);
  now_us_ += CommitPace::kWaitUsMax - 1;
  EXPECT_TRUE(waits(1));
  now_us_ += 1;
  EXPECT_FALSE(waits(1));
}

// Clients with a schedule of their own: after one vain wait nobody waits for a long time.
TEST_F(CommitPaceTest, WhoDoesNotComeIsNotWaitedForAgainSoon) {
  commit(4, 1);
  EXPECT_TRUE(waits(1));
  now_us_ += kCommitUs;
  EXPECT_FALSE(waits(1));  // none of the four came
  for (uint32_t i = 1; i < CommitPace::kCommitsUntilRetry; ++i) {
    commit(4, 1);
    ASSERT_FALSE(waits(1)) << i;
  }
  commit(4, 1);
  EXPECT_TRUE(waits(1));
}

// Agents that send in bursts: nobody was put off in the pause, so nothing was in vain.
TEST_F(CommitPaceTest, APauseIsNoWaitInVain) {
  commit(4, 0);
  now_us_ += 5000;
  EXPECT_FALSE(waits(1));
  commit(4, 0);
  EXPECT_TRUE(waits(3));
  EXPECT_FALSE(waits(4));
}

TEST_F(CommitPaceTest, AsManyAsCameAreWaitedFor) {
  commit(6, 1);
  EXPECT_TRUE(waits(2));
  now_us_ += kCommitUs;
  EXPECT_FALSE(waits(4));  // three of six came
  commit(6, 1);
  EXPECT_TRUE(waits(3));
  EXPECT_FALSE(waits(4));
}

}  // namespace
}  // namespace millrace::buffer
