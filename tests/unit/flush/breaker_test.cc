// SPDX-License-Identifier: Apache-2.0
#include "flush/breaker.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <vector>

namespace millrace::flush {
namespace {

using output::Outcome;
using State = Breaker::State;

constexpr uint64_t kMiddle = 1ULL << 63;  // no jitter

ChunkId chunk(uint8_t n) {
  ChunkId id;
  id.bytes[15] = n;
  return id;
}

class BreakerTest : public ::testing::Test {
 protected:
  // Asks; the permit, or nothing if it has to wait.
  std::optional<Permit> ask(bool failed = false) {
    Permit permit;
    wait_ = breaker_.ask({.bytes = 1000, .failed = failed}, now_, kMiddle, permit);
    if (wait_ > 0) return std::nullopt;
    return permit;
  }
  void note(const Permit& permit, Outcome outcome, uint8_t n = 1, uint64_t retry_after_ms = 0,
            bool failed_before = false) {
    breaker_.note(permit,
                  Answer{.outcome = outcome,
                         .chunk_id = chunk(n),
                         .bytes = 1000,
                         .retry_after_ms = retry_after_ms,
                         .failed_before = failed_before},
                  0, now_, kMiddle);
  }
  // A later attempt of a chunk that has failed.
  void note_again(const Permit& permit, uint8_t n) {
    note(permit, Outcome::kUnavailable, n, 0, true);
  }
  // Two chunks fail: it is open, and the next probe a second away.
  void open() {
    const Permit one = *ask();
    const Permit two = *ask();
    note(one, Outcome::kUnavailable, 1);
    note(two, Outcome::kUnavailable, 2);
    ASSERT_EQ(breaker_.state(), State::kOpen);
  }

  config::Buffer options_;
  Breaker breaker_{options_};
  uint64_t now_ = 1'000'000;
  uint64_t wait_ = 0;
};

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

// What is spaced and fails teaches the pacer nothing; a probe and a ramp find the rate faster.
TEST_F(BreakerTest, WhileThrottledTwoFailuresOpenItWhoeverFails) {
  note(*ask(), Outcome::kThrottled, 1);
  now_ += 5'000;
  note_again(*ask(), 2);
  now_ += 5'000;
  note_again(*ask(), 3);
  EXPECT_EQ(breaker_.state(), State::kOpen);
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
  std::vector<uint64_t> waits;
  for (int i = 0; i < 15; ++i) {
    EXPECT_FALSE(ask(true));
    waits.push_back(wait_);
    now_ += wait_;
    const Permit own = *ask(true);
    EXPECT_EQ(own.kind, Permit::Kind::kOwn);
    EXPECT_EQ(own.pick, buffer::ChunkQueue::Pick::kInTurn);
    note_again(own, 1);
    EXPECT_LE(breaker_.next_probe_ms(), now_) << "a new chunk waits for none of them";
  }
  // It is answered by nobody: not for ever once a second.
  EXPECT_EQ(waits, (std::vector<uint64_t>{1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000,
                                          1000, 2000, 4000, 8000, 16000, 30000}));
  EXPECT_EQ(breaker_.probes(), 15U);
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
    breaker_.on_its_own(*permit);
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
    breaker_.on_its_own(permit);
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
