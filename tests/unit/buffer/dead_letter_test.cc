// SPDX-License-Identifier: Apache-2.0
// Dead letters on their way into dead/, beside all else that the one housekeeping thread has to do.

#include <gtest/gtest.h>

#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

class DeadLetters : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(harness_.start()); }

  void put(size_t letters) {
    StageTarget target{.profile = &harness_.profile, .dead_reason = DeadReason::kOversize};
    for (size_t i = 0; i < letters; ++i) {
      harness_.log().appender().begin(i, {});
      harness_.log().appender().put_dead_letter(target, "too large");
      harness_.log().appender().end();
    }
    harness_.log().submit(commits_);
    while (!committed_) std::this_thread::yield();
    committed_ = false;
    std::vector<CommitThread::Completion> done;
    commits_.take_completions(done);
    harness_.log().completed(*done.at(0).batch);
  }
  size_t waiting() { return harness_.log().queue().counts().dead_letters; }
  uint64_t written() const { return harness_.registry.total(Metric::kDeadOversize); }

  io::SimulatedFileSystem disk_;
  io::FaultyFileSystem files_{disk_};
  LogHarness harness_{files_};
  std::atomic<bool> committed_{false};
  CommitThread commits_{"commit", [this] { committed_ = true; }};
};

TEST_F(DeadLetters, ManyOfThemHoldUpNothingElse) {
  int asked = 0;
  harness_.log().on_need([&] { ++asked; });
  put(100);
  asked = 0;
  harness_.log().tend();
  EXPECT_GT(written(), 0U);
  EXPECT_LE(written(), 10U) << "each costs three syncs";
  EXPECT_EQ(asked, 1) << "the next round comes at once";
  for (int rounds = 0; rounds < 100 && waiting() > 0; ++rounds) harness_.log().tend();
  EXPECT_EQ(written(), 100U);
  asked = 0;
  harness_.log().tend();
  EXPECT_EQ(asked, 0);
}

TEST_F(DeadLetters, OneThatCannotBeReadHoldsUpNoOther) {
  put(4);
  // Of the first two, each twice: it is asked for again without what is read ahead.
  files_.set(io::Fault{.call = io::Call::kRead, .path_glob = "*/seg.*.log", .times = 4});
  harness_.log().tend();
  EXPECT_EQ(written(), 2U);
  EXPECT_EQ(waiting(), 2U);
  EXPECT_EQ(harness_.log().queue().held(), 2U);
  EXPECT_EQ(harness_.log().queue().unfinished().size(), 2U);
  harness_.log().tend();
  EXPECT_EQ(waiting(), 2U) << "not at once again";
  put(1);
  harness_.clock.running += 10'000;
  harness_.log().tend();
  EXPECT_EQ(waiting(), 0U);
  EXPECT_EQ(written(), 5U);
}

TEST_F(DeadLetters, NorDoManyOfThem) {
  put(20);
  files_.set(io::Fault{.call = io::Call::kRead, .path_glob = "*/seg.*.log", .times = 38});
  for (int rounds = 0; rounds < 5; ++rounds) {
    harness_.log().tend();
    harness_.clock.running += 10'000;  // those that were read in vain are due again
  }
  EXPECT_EQ(written(), 20U);
}

// A client chooses its tag, and a tag without a route is a stage key.
TEST_F(DeadLetters, NoTagIsInTheirWay) {
  const std::string tag = "\x01 dead letter";
  StageTarget target{.stage_key = tag, .profile = &harness_.profile};
  Appender& appender = harness_.log().appender();
  harness_.append({"first;"}, tag);
  appender.begin(1, {});
  appender.put_dead_letter(target, "given up;");
  appender.abort();
  EXPECT_EQ(appender.staged_chunks(), 1U);
  put(1);
  harness_.append({"second;"}, tag);
  EXPECT_EQ(appender.staged_chunks(), 1U);
  EXPECT_EQ(appender.staged_bytes(), 13U);
  EXPECT_EQ(appender.seal_debt(), appender.count_seal_debt());
  appender.seal_all(SealReason::kForced);
  ASSERT_TRUE(harness_.commit());
  EXPECT_EQ(harness_.drain(), "first;second;");
  harness_.log().tend();
  EXPECT_EQ(harness_.registry.total(Metric::kDeadUndecodable) + written(), 1U);
}

TEST_F(DeadLetters, AStopDoesNotWaitForThem) {
  put(100);
  const std::atomic<bool> stopping{true};
  harness_.log().tend(&stopping);
  EXPECT_EQ(written(), 0U);
  EXPECT_EQ(waiting(), 100U);
  harness_.stop();
  ASSERT_TRUE(harness_.start());
  EXPECT_EQ(waiting(), 100U);
  while (waiting() > 0) harness_.log().tend();
  EXPECT_EQ(written(), 100U);
}

}  // namespace
}  // namespace millrace::buffer
