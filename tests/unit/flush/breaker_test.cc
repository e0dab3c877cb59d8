// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/flush/breaker_harness.h"

namespace millrace::flush {
namespace {

TEST_F(BreakerTest, OneChunkThatFailsAmongOthersIsItsOwnAffair) {
  for (int i = 0; i < 1000; ++i) {
    note(*ask(), Outcome::kAmbiguous, 1);
    ASSERT_EQ(breaker_.state(), State::kClosed);
    note(*ask(), Outcome::kCommitted, 2);
  }
  EXPECT_EQ(breaker_.opens(), 0U);
}

TEST_F(BreakerTest, TwoChunksThatFailOpenIt) {
  for (const Outcome outcome :
       {Outcome::kAmbiguous, Outcome::kUnavailable, Outcome::kNotAuthorized}) {
    breaker_ = Breaker(options_);
    note(*ask(), outcome, 1);
    EXPECT_EQ(breaker_.failing_since_ms(), now_);
    note(*ask(), outcome, 2);
    EXPECT_EQ(breaker_.state(), State::kOpen);
    EXPECT_TRUE(breaker_.hopeless());
    EXPECT_FALSE(ask());
    EXPECT_EQ(wait_, 1000U);
  }
}

TEST_F(BreakerTest, AnAnswerInBetweenKeepsItClosed) {
  for (const Outcome answer : {Outcome::kCommitted, Outcome::kRejected}) {
    note(*ask(), Outcome::kUnavailable, 1);
    note(*ask(), answer, 2);
    EXPECT_EQ(breaker_.failing_since_ms(), 0U);
    note(*ask(), Outcome::kUnavailable, 3);
    EXPECT_EQ(breaker_.state(), State::kClosed);
    note(*ask(), answer, 4);
  }
}

TEST_F(BreakerTest, OneProbeAtATime) {
  open();
  now_ += 1000;
  const auto probe = ask();
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->kind, Permit::Kind::kProbe);
  EXPECT_STREQ(state_name(breaker_.state(), breaker_.probing()), "probing");
  now_ += 3'600'000;
  EXPECT_FALSE(ask());
  EXPECT_EQ(wait_, Breaker::kUntilChange);
  EXPECT_EQ(breaker_.probes(), 0U);
  note(*probe, Outcome::kUnavailable, 3);
  EXPECT_EQ(breaker_.probes(), 1U);
  EXPECT_FALSE(ask());
}

TEST_F(BreakerTest, TheBackOffGrowsWithEachFurtherChunkThatFails) {
  open();
  std::vector<uint64_t> waits;
  for (uint8_t n = 3; n < 18; ++n) {
    now_ = breaker_.next_probe_ms();
    note(*ask(), Outcome::kUnavailable, n);
    waits.push_back(breaker_.next_probe_ms() - now_);
  }
  // Nine may be ill alone.
  EXPECT_EQ(waits, (std::vector<uint64_t>{1000, 1000, 1000, 1000, 1000, 1000, 1000, 2000, 4000,
                                          8000, 16000, 30000, 30000, 30000, 30000}));
}

TEST_F(BreakerTest, ARateThatIsKnownIsGoneOnWith) {
  note(*ask(), Outcome::kThrottled, 1);
  for (int i = 0; i < 200; ++i) {
    while (true) {
      if (const auto permit = ask()) {
        note(*permit, Outcome::kCommitted, 2);
        break;
      }
      now_ += wait_;
    }
  }
  const double rate = breaker_.pacer().rate();
  EXPECT_GT(rate, 100.0);
  for (uint8_t n = 3; n < 8; ++n) note(Permit{}, Outcome::kUnavailable, n);
  ASSERT_EQ(breaker_.state(), State::kOpen);
  now_ = breaker_.next_probe_ms();
  note(*ask(), Outcome::kThrottled, 1);
  EXPECT_EQ(breaker_.pacer().rate(), rate);
  now_ += 120'000;
  breaker_.settle(now_);
  ASSERT_EQ(breaker_.state(), State::kClosed);
  note(*ask(), Outcome::kThrottled, 1);
  EXPECT_LT(breaker_.pacer().rate(), 10.0);
}

TEST_F(BreakerTest, WhatTheServiceAsksForIsWaitedOnceItIsNotAFewChunksAlone) {
  note(*ask(), Outcome::kNotAuthorized, 1, 10'000);
  note(*ask(), Outcome::kNotAuthorized, 2, 10'000);
  for (uint8_t n = 3; n < 10; ++n) {
    EXPECT_EQ(breaker_.next_probe_ms() - now_, 1'000U);
    now_ = breaker_.next_probe_ms();
    note(*ask(), Outcome::kNotAuthorized, n, 10'000);
  }
  now_ = breaker_.next_probe_ms();
  note(*ask(), Outcome::kNotAuthorized, 10, 10'000);
  EXPECT_EQ(breaker_.next_probe_ms() - now_, 10'000U);
}

TEST_F(BreakerTest, TheFirstProbeComesWithinASecond) {
  options_.retry_wait_ms = 60'000;
  breaker_ = Breaker(options_);
  open();
  EXPECT_EQ(breaker_.next_probe_ms() - now_, 1'000U);
}

TEST_F(BreakerTest, StragglersOfATripSayNothingNew) {
  const Permit early = *ask();
  open();
  const uint64_t next = breaker_.next_probe_ms();
  note(early, Outcome::kUnavailable, 9);
  EXPECT_EQ(breaker_.next_probe_ms(), next);
  EXPECT_EQ(breaker_.opens(), 1U);
  note(early, Outcome::kCommitted, 9);
  EXPECT_EQ(breaker_.state(), State::kRamping) << "but it is there after all";
}

TEST_F(BreakerTest, AProbeThatIsGivenBackIsFree) {
  open();
  now_ += 1000;
  const Permit probe = *ask();
  breaker_.cancel(probe);
  EXPECT_EQ(breaker_.probes(), 0U);
  EXPECT_TRUE(ask());
}

TEST_F(BreakerTest, AfterAProbeThatCameThroughTheyGoOneTwoFour) {
  open();
  now_ += 1000;
  note(*ask(), Outcome::kCommitted, 1);
  EXPECT_EQ(breaker_.state(), State::kRamping);
  std::vector<size_t> rounds;
  while (breaker_.state() == State::kRamping) {
    std::vector<Permit> round;
    while (const auto permit = ask()) round.push_back(*permit);
    EXPECT_EQ(wait_, Breaker::kUntilChange);
    rounds.push_back(round.size());
    for (const Permit& permit : round) note(permit, Outcome::kCommitted, 1);
  }
  EXPECT_EQ(rounds, (std::vector<size_t>{1, 2, 4, 8, 16, 32, 64}));
  EXPECT_EQ(breaker_.state(), State::kClosed);
}

TEST_F(BreakerTest, ARampEndsWithTimeToo) {
  open();
  now_ += 1000;
  note(*ask(), Outcome::kCommitted, 1);
  now_ += 10'000;
  EXPECT_EQ(ask()->kind, Permit::Kind::kFree);
  EXPECT_EQ(breaker_.state(), State::kClosed);
}

TEST_F(BreakerTest, AServiceThatIsBackForOneRequestOnlyIsLeftAloneAgain) {
  open();
  now_ += 1000;
  note(*ask(), Outcome::kCommitted, 1);
  for (uint8_t n = 2; n < 6; ++n) {
    note(*ask(), Outcome::kUnavailable, n);
    EXPECT_EQ(breaker_.state(), State::kRamping);
    EXPECT_EQ(breaker_.opens(), 1U);
  }
  note(*ask(), Outcome::kUnavailable, 6);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_EQ(breaker_.opens(), 2U);
}

TEST_F(BreakerTest, WhoHasAnsweredLatelyIsTrustedLonger) {
  note(*ask(), Outcome::kCommitted, 1);
  now_ += 9'999;
  for (uint8_t n = 2; n < 6; ++n) note(*ask(), Outcome::kUnavailable, n);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  now_ += 1;
  note(*ask(), Outcome::kUnavailable, 6);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

// Whether it flaps or only some chunks fail cannot be told from here: six requests a second.
TEST_F(BreakerTest, AServiceThatFlapsIsAskedOnceASecond) {
  open();
  for (uint8_t n = 3; n < 17; ++n) {
    now_ = breaker_.next_probe_ms();
    note(*ask(), Outcome::kUnavailable, n);
  }
  EXPECT_EQ(breaker_.next_probe_ms() - now_, 30'000U);
  for (int i = 0; i < 10; ++i) {
    now_ = breaker_.next_probe_ms();
    note(*ask(), Outcome::kCommitted, 1);
    for (uint8_t n = 2; n < 7; ++n) note(*ask(), Outcome::kUnavailable, n);
    EXPECT_EQ(breaker_.next_probe_ms() - now_, 1'000U);
  }
}

TEST_F(BreakerTest, AThrottledProbeMeansTheServiceIsThere) {
  open();
  now_ += 1000;
  note(*ask(), Outcome::kThrottled, 1);
  EXPECT_EQ(breaker_.state(), State::kThrottled);
  EXPECT_EQ(breaker_.failing_since_ms(), 0U);
  EXPECT_FALSE(breaker_.hopeless());
}

TEST_F(BreakerTest, ThrottlingIsForgottenAfterThirtySecondsWithoutOne) {
  note(*ask(), Outcome::kThrottled, 1);
  EXPECT_EQ(ask()->kind, Permit::Kind::kPaced);
  EXPECT_FALSE(ask());
  EXPECT_GT(wait_, 0U);
  now_ += 29'999;
  EXPECT_EQ(ask()->kind, Permit::Kind::kPaced);
  now_ += 1;
  EXPECT_EQ(ask()->kind, Permit::Kind::kFree);
  EXPECT_EQ(breaker_.throttles(), 1U);
}

// A clock that stands or goes back neither opens nor closes anything, nor does it wait for ever.
TEST_F(BreakerTest, AClockThatGoesBackIsHarmless) {
  open();
  now_ -= 500;
  EXPECT_FALSE(ask());
  EXPECT_LE(wait_, 1500U);
  now_ += 1500;
  EXPECT_TRUE(ask());
}

}  // namespace
}  // namespace millrace::flush
