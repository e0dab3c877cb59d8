// SPDX-License-Identifier: Apache-2.0
// What chunks that failed before tell the breaker, and what it does for them.

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "tests/unit/flush/breaker_harness.h"

namespace millrace::flush {
namespace {

TEST_F(BreakerTest, WhatFailsAgainTellsLittle) {
  for (int i = 0; i < 100; ++i) {
    for (uint8_t n = 1; n < 10; ++n) note_again(*ask(), n);
    ASSERT_EQ(breaker_.state(), State::kClosed);
    note(*ask(), Outcome::kCommitted, 60);
  }
  now_ += 10'000;
  note(*ask(), Outcome::kUnavailable, 50);
  note_again(*ask(), 1);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  note(*ask(), Outcome::kUnavailable, 51);
  EXPECT_EQ(breaker_.state(), State::kOpen) << "two new ones do";
}

TEST_F(BreakerTest, WhileThrottledWhatFailsAgainTellsAsLittle) {
  note(*ask(), Outcome::kThrottled, 1);
  for (int i = 0; i < 20; ++i) {
    now_ += 1'000;
    note_again(*ask(), 2);
    now_ += 1'000;
    note_again(*ask(), 3);
    now_ += 1'000;
    note(*ask(), Outcome::kCommitted, 4);
  }
  EXPECT_EQ(breaker_.opens(), 0U);
}

TEST_F(BreakerTest, WhileThrottledWhatFailsAgainTakesUpNoTime) {
  note(*ask(), Outcome::kThrottled, 1);
  now_ += 5'000;
  (void)ask();
  Permit permit = *ask();
  breaker_.use(permit, 1000, true, now_, kMiddle);
  EXPECT_FALSE(ask());
  note_again(permit, 1);
  EXPECT_TRUE(ask());
}

TEST_F(BreakerTest, WhileThrottledThoseThatFailedHaveTheirTurn) {
  using Pick = buffer::ChunkQueue::Pick;
  note(*ask(), Outcome::kThrottled, 1);
  std::map<Pick, int> picks;
  for (int i = 0; i < 20; ++i) {
    std::optional<Permit> permit = ask();
    for (; !permit; permit = ask()) now_ += wait_;  // who waits takes nobody's turn
    ++picks[permit->pick];
  }
  EXPECT_EQ(picks[Pick::kOldest], 15);
  EXPECT_EQ(picks[Pick::kInTurn], 5);
  now_ += 10'000;
  EXPECT_EQ(ask(true)->pick, Pick::kInTurn);
}

TEST_F(BreakerTest, TenThatFailAgainWithNoAnswerOpenIt) {
  for (uint8_t n = 1; n < 10; ++n) note_again(*ask(), n);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  note_again(*ask(), 10);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_TRUE(breaker_.hopeless());
  EXPECT_EQ(breaker_.failing_since_ms(), now_);
  EXPECT_EQ(breaker_.next_probe_ms() - now_, 1'000U);
}

TEST_F(BreakerTest, WhatFailedBeforeIsTriedBesideTheProbes) {
  open();
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(ask(true));
    EXPECT_EQ(wait_, 1'000U);
    now_ += wait_;
    const Permit own = *ask(true);
    EXPECT_EQ(own.kind, Permit::Kind::kOwn);
    EXPECT_EQ(own.pick, buffer::ChunkQueue::Pick::kInTurn);
    note_again(own, 1);
    EXPECT_LE(breaker_.next_probe_ms(), now_) << "a new chunk waits for none of them";
  }
  EXPECT_EQ(breaker_.probes(), 100U);
  const Permit probe = *ask();
  EXPECT_EQ(probe.kind, Permit::Kind::kProbe);
  now_ += 30'000;
  const Permit own = *ask(true);
  note(probe, Outcome::kUnavailable, 3);
  EXPECT_EQ(breaker_.next_probe_ms() - now_, 1'000U);
  note(own, Outcome::kCommitted, 1, 0, true);
  EXPECT_EQ(breaker_.state(), State::kRamping) << "an answer is an answer";
  now_ += 100'000;
  open();
  EXPECT_FALSE(ask(true));
  EXPECT_EQ(wait_, 1'000U) << "and begins both anew";
}

TEST_F(BreakerTest, EachFourthProbeIsForThoseThatFailed) {
  using Pick = buffer::ChunkQueue::Pick;
  open();
  for (int i = 0; i < 4; ++i) {
    for (const bool turn : {false, false, false, true}) {
      now_ = breaker_.next_probe_ms();
      Permit probe = *ask();
      EXPECT_EQ(probe.pick == Pick::kInTurn, turn);
      if (turn) {
        breaker_.use(probe, 1000, true, now_, kMiddle);
        EXPECT_FALSE(ask());
        EXPECT_GE(wait_, 1'000U) << "it was the probe";
        note_again(probe, 1);
      } else {
        note(probe, Outcome::kUnavailable, 9);
      }
    }
  }
  EXPECT_EQ(breaker_.probes(), 16U);
}

TEST_F(BreakerTest, LeaveForWhatFailedBeforeThatIsGivenBackIsFree) {
  open();
  now_ += 1000;
  breaker_.cancel(*ask(true));
  EXPECT_EQ(breaker_.probes(), 0U);
  EXPECT_TRUE(ask(true));
  EXPECT_FALSE(ask(true));
}

TEST_F(BreakerTest, WhatFailedBeforeTakesNoPlaceInARamp) {
  open();
  now_ += 1000;
  note(*ask(), Outcome::kCommitted, 1);
  std::vector<Permit> hanging;
  for (uint8_t n = 2; n < 9; ++n) {
    auto permit = ask();
    ASSERT_TRUE(permit) << "its place is free again";
    breaker_.use(*permit, 1000, true, now_, kMiddle);
    hanging.push_back(*permit);
  }
  for (uint8_t n = 0; n < 100; ++n) hanging.push_back(*ask(true));
  for (size_t i = 0; i < 9; ++i) note_again(hanging[i], 9);
  EXPECT_EQ(breaker_.state(), State::kRamping);
  EXPECT_TRUE(ask());
  EXPECT_FALSE(ask()) << "one at a time still";
}

TEST_F(BreakerTest, WhatTookNoPlaceInARampGivesNoneBack) {
  open();
  now_ += 1000;
  note(*ask(), Outcome::kCommitted, 1);
  const Permit one = *ask();
  for (const Outcome outcome : {Outcome::kCommitted, Outcome::kUnavailable}) {
    Permit permit = one;
    breaker_.use(permit, 1000, true, now_, kMiddle);
    note(permit, outcome, 2, 0, true);
    EXPECT_TRUE(ask()) << "its place is free again";
    EXPECT_FALSE(ask()) << "and no other";
  }
}

TEST_F(BreakerTest, InARampThoseThatFailedHaveTheirTurn) {
  using Pick = buffer::ChunkQueue::Pick;
  std::map<Pick, int> picks;
  for (int i = 0; i < 20; ++i) {
    breaker_.settle(now_ += 100'000);
    open();
    now_ = breaker_.next_probe_ms();
    const Permit probe = *ask();
    EXPECT_EQ(probe.pick, Pick::kNewest);
    note(probe, Outcome::kCommitted, 1);
    for (uint8_t n = 2; n < 4; ++n) {
      const Permit permit = *ask();
      ++picks[permit.pick];
      note(permit, Outcome::kCommitted, n);
    }
  }
  EXPECT_EQ(picks[Pick::kInTurn], 10) << "also if no ramp comes far";
  EXPECT_GT(picks[Pick::kOldest], 10);
}

}  // namespace
}  // namespace millrace::flush
