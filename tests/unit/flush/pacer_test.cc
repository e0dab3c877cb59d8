// SPDX-License-Identifier: Apache-2.0
// The rate of requests against a service that takes a certain rate, in virtual time.

#include "flush/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

namespace millrace::flush {
namespace {

constexpr double kShardPerMs = 1048.576;  // 1 MiB a second

/// Shards as Kinesis has them: a rate each, one second saved up; keys are random.
class Service {
 public:
  explicit Service(size_t shards) : levels_(shards, kShardPerMs * 1000) {}

  bool take(uint64_t bytes, double now_ms, uint64_t random) {
    if (static_cast<double>(random >> 11) * 0x1.0p-53 < refused_at_random) return false;
    for (double& level : levels_) {
      level = std::min(kShardPerMs * 1000, level + (now_ms - seen_ms_) * kShardPerMs);
    }
    seen_ms_ = now_ms;
    std::fill_n(levels_.begin(), used_up, 0);
    double& level = levels_[random % levels_.size()];
    if (away || level < static_cast<double>(bytes)) return false;
    level -= static_cast<double>(bytes);
    return true;
  }
  double capacity(double ms) const {
    return kShardPerMs * ms * static_cast<double>(levels_.size());
  }
  /// Somebody else has used up what was saved.
  void drain() { std::fill(levels_.begin(), levels_.end(), 0); }
  bool away = false;
  double refused_at_random = 0;  // of the requests
  size_t used_up = 0;            // shards, by others

 private:
  std::vector<double> levels_;
  double seen_ms_ = 0;
};

struct Share {
  double accepted = 0;  // of the capacity, in bytes
  double asked = 0;
  uint64_t requests = 0;
};

class PacerTest : public ::testing::Test {
 protected:
  // Asks as fast as the pacer lets until `until_ms`.
  Share run(Service& service, Pacer& pacer, uint64_t bytes, uint64_t until_ms) {
    Share share;
    const double begun = static_cast<double>(now_);
    while (now_ < until_ms) {
      double gap = 0;
      const uint64_t wait = pacer.ask(bytes, now_, random_(), gap);
      if (wait > 0) {
        now_ += wait;
        continue;
      }
      ++share.requests;
      const bool taken = service.take(bytes, static_cast<double>(now_), random_());
      taken ? pacer.accepted(now_, bytes, now_) : pacer.refused(now_, now_);
      if (taken) share.accepted += static_cast<double>(bytes);
      share.asked += static_cast<double>(bytes);
    }
    const double capacity = service.capacity(static_cast<double>(now_) - begun);
    share.accepted /= capacity;
    share.asked /= capacity;
    return share;
  }

  std::mt19937_64 random_{7};
  uint64_t now_ = 0;
};

TEST_F(PacerTest, RequestsFollowWhatTheServiceTakes) {
  for (const uint64_t bytes : {1'500U, 30'000U, 300'000U}) {
    for (const double guess : {0.1, 1.0, 10.0}) {
      now_ = 0;
      Service service(1);
      Pacer pacer(30'000);
      pacer.begin(kShardPerMs * guess, bytes, 0);
      run(service, pacer, bytes, 60'000);
      const Share share = run(service, pacer, bytes, 360'000);
      std::printf(
          "    %6lu bytes, first guess x %4.1f: %.3f of the capacity asked, %.3f accepted\n", bytes,
          guess, share.asked, share.accepted);
      EXPECT_GT(share.accepted, 0.95);
      EXPECT_GT(share.asked, 0.90);
      EXPECT_LT(share.asked, 1.10);
    }
  }
}

// What was under way at the first refusal has used up what the service had left, so the first
// request at a slow guess may be refused. It says nothing about the rate.
TEST_F(PacerTest, ASlowGuessIsCorrectedSoonThoughTheFirstRequestsAreRefused) {
  for (const double guess : {0.0, 0.01, 0.1}) {
    now_ = 0;
    Service service(1);
    service.drain();
    Pacer pacer(30'000);
    pacer.begin(kShardPerMs * guess, 32'000, 0);
    for (int i = 0; i < 2; ++i) pacer.refused(0, 0);
    const Share share = run(service, pacer, 32'000, 10'000);
    std::printf("    first guess x %4.2f: %.3f of the capacity accepted in ten seconds\n", guess,
                share.accepted);
    EXPECT_GT(share.accepted, 0.7);
  }
}

// While requests went slowly the service saved up; that lets the search go far above its rate.
TEST_F(PacerTest, ASearchThatEndsTooHighIsSoonCorrected) {
  for (const uint64_t bytes : {1'500U, 32'000U}) {
    now_ = 0;
    Service service(1);
    Pacer pacer(30'000);
    pacer.begin(kShardPerMs / 100, bytes, 0);
    while (pacer.rate() < kShardPerMs * 2) run(service, pacer, bytes, now_ + 1);
    const Share share = run(service, pacer, bytes, now_ + 3000);
    std::printf(
        "    %6lu bytes: %.3f of the capacity asked in the three seconds after it was "
        "passed, %.3f accepted\n",
        bytes, share.asked, share.accepted);
    EXPECT_LT(share.asked, 1.6);  // a third of it was saved up
    EXPECT_GT(share.accepted, 1);
  }
}

TEST_F(PacerTest, AServiceThatIsBackIsAskedTwiceASecondAtOnce) {
  Pacer pacer(30'000);
  pacer.begin(0, 32'000, 0);
  uint64_t now = 0;
  double gap = 0;
  for (int requests = 0; requests < 40; ++requests) {
    while (const uint64_t wait = pacer.ask(32'000, now, random_(), gap)) now += wait;
    pacer.refused(now, now);
  }
  ASSERT_TRUE(pacer.stalled());
  while (const uint64_t wait = pacer.ask(32'000, now, random_(), gap)) now += wait;
  EXPECT_GT(gap, 20'000.0);
  pacer.accepted(now, 32'000, now);
  EXPECT_FALSE(pacer.stalled());
  EXPECT_LE(pacer.ask(32'000, now, random_(), gap), 500U);
}

TEST_F(PacerTest, ASearchBeginsWithTwoRequestsASecondWhateverTheirSize) {
  Pacer pacer(30'000);
  pacer.begin(0, 2'000, 0);
  double gap = 0;
  ASSERT_EQ(pacer.ask(2'000, 0, random_(), gap), 0U);
  pacer.accepted(0, 2'000, 0);
  uint64_t now = pacer.ask(900'000, 0, random_(), gap);
  ASSERT_EQ(pacer.ask(900'000, now, random_(), gap), 0U);
  EXPECT_LE(gap, 625.0);
  pacer.accepted(now, 900'000, now);
  EXPECT_GE(pacer.rate(), 1'800.0) << "so many bytes a millisecond were taken";
}

TEST_F(PacerTest, TheTimeIsThatOfTheChunkThatWasTaken) {
  Pacer pacer(30'000);
  pacer.begin(100, 1'000, 0);
  for (int i = 0; i < 3; ++i) pacer.refused(0, 0);
  double gap = 0;
  ASSERT_EQ(pacer.ask(900'000, 0, random_(), gap), 0U);
  EXPECT_GT(gap, 700.0);
  EXPECT_LT(gap, 1'300.0) << "one a second, unless it has stalled";
  pacer.correct(900'000, 2'000, gap);
  EXPECT_LT(gap, 30.0);
  EXPECT_LE(pacer.ask(2'000, 0, random_(), gap), 30U);
}

// What is accepted far below the rate does not raise it, or it would soon limit nothing.
TEST_F(PacerTest, ARateThatNobodyNeedsDoesNotGrow) {
  Pacer pacer(30'000);
  pacer.begin(kShardPerMs, 32'000, 0);
  for (uint64_t now = 0; now < 5'000'000; now += 1000) {
    double gap = 0;
    ASSERT_EQ(pacer.ask(32'000, now, random_(), gap), 0U);
    pacer.accepted(now, 32'000, now);
  }
  EXPECT_EQ(pacer.rate(), kShardPerMs);
}

// It may lie on a shard that takes nothing at any rate.
TEST_F(PacerTest, AnotherRefusalOfTheSameChunkTellsNothing) {
  Pacer pacer(30'000);
  pacer.begin(100, 1'000, 0);
  for (uint64_t now = 1; now <= 1'000; ++now) pacer.refused(now, now, false);
  EXPECT_EQ(pacer.rate(), 100);
  EXPECT_FALSE(pacer.stalled());
  EXPECT_EQ(pacer.felt_ms(), 1'000U) << "it throttles all the same";
}

// One request a second is accepted for a minute, then all, of very different sizes.
TEST_F(PacerTest, ARateThatIsFarTooLowIsSoonLeft) {
  Pacer pacer(30'000);
  pacer.begin(0, 1'000, 0);
  uint64_t accepted_ms = 0;
  uint64_t requests = 0;  // since then
  for (uint64_t n = 0; requests < 300; ++n) {
    const uint64_t bytes = n % 4 == 3 ? 200'000 : 1'000;
    double gap = 0;
    while (const uint64_t wait = pacer.ask(bytes, now_, random_(), gap)) now_ += wait;
    if (now_ >= 60'000) ++requests;
    if (requests == 0 && now_ < accepted_ms + 1'000) {
      pacer.refused(now_, now_);
    } else {
      accepted_ms = now_;
      pacer.accepted(now_, bytes, now_);
    }
  }
  std::printf("    300 requests in %lu s\n", (now_ - 60'000) / 1'000);
  EXPECT_LT(now_, 120'000U);
}

// Keys are random, so now and then one shard of several gets more than its part.
TEST_F(PacerTest, SeveralShardsAreKeptBusy) {
  for (const size_t shards : {4U, 16U, 64U}) {
    now_ = 0;
    Service service(shards);
    Pacer pacer(30'000);
    pacer.begin(kShardPerMs * static_cast<double>(shards) * 3, 100'000, 0);
    run(service, pacer, 100'000, 60'000);
    const Share share = run(service, pacer, 100'000, 360'000);
    std::printf("    %zu shards: %.3f of the capacity asked, %.3f accepted\n", shards, share.asked,
                share.accepted);
    EXPECT_GT(share.accepted, 0.90);
    EXPECT_LT(share.asked, 1.10);
  }
}

// Who lowers his rate with each refusal ends with none.
TEST_F(PacerTest, ShardsThatOthersUseUpDoNotStopTheRest) {
  const std::vector<std::pair<size_t, size_t>> cases{{2, 1}, {4, 1}, {4, 2}, {16, 1}, {16, 3}};
  for (const auto& [shards, used_up] : cases) {
    for (const double guess : {0.1, 3.0}) {
      now_ = 0;
      Service service(shards);
      service.used_up = used_up;
      const double left = static_cast<double>(shards - used_up) / static_cast<double>(shards);
      Pacer pacer(30'000);
      pacer.begin(kShardPerMs * static_cast<double>(shards) * guess, 100'000, 0);
      run(service, pacer, 100'000, 60'000);
      const Share share = run(service, pacer, 100'000, 360'000);
      std::printf("    %zu of %zu used up, first guess x %3.1f: %.3f of what is left accepted\n",
                  used_up, shards, guess, share.accepted / left);
      EXPECT_GT(share.accepted / left, 0.5);
      EXPECT_LT(share.asked / left, 3.0);  // half of it in vain where half is used up
    }
  }
}

TEST_F(PacerTest, RefusalsAtRandomDoNotStopIt) {
  for (const double refused : {0.05, 0.1, 0.15, 0.3}) {
    uint64_t fewest = ~uint64_t{0};
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      random_.seed(seed);
      now_ = 0;
      Service service(100);
      service.refused_at_random = refused;
      Pacer pacer(30'000);
      pacer.begin(0, 30'000, 0);
      fewest = std::min(fewest, run(service, pacer, 30'000, 60'000).requests);
    }
    std::printf("    %.2f refused: at least %lu requests in a minute\n", refused, fewest);
    EXPECT_GT(fewest, 1'000U);
  }
}

TEST_F(PacerTest, AServiceThatTakesNothingIsAskedEveryInterval) {
  Service service(1);
  service.away = true;
  Pacer pacer(30'000);
  pacer.begin(kShardPerMs * 100, 300'000, 0);
  run(service, pacer, 300'000, 60'000);
  EXPECT_TRUE(pacer.stalled());
  const Share hours = run(service, pacer, 300'000, 6 * 3'600'000);
  std::printf("    %lu requests in six hours\n", hours.requests);
  EXPECT_GE(hours.requests, 6 * 3600 / 30 - 5U);
  EXPECT_LE(hours.requests, 6 * 3600 / 20U);
  service.away = false;
  const uint64_t back = now_;
  run(service, pacer, 300'000, back + 120'000);
  EXPECT_FALSE(pacer.stalled());
  const Share after = run(service, pacer, 300'000, back + 420'000);
  EXPECT_GT(after.accepted, 0.95);
  EXPECT_LT(after.asked, 1.10);
}

TEST_F(PacerTest, RequestsAreNotAtEqualDistances) {
  Pacer pacer(30'000);
  pacer.begin(1000, 100'000, 0);  // ten a second
  std::vector<uint64_t> gaps;
  uint64_t last = 0;
  while (gaps.size() < 100) {
    double gap = 0;
    const uint64_t wait = pacer.ask(100'000, now_, random_(), gap);
    if (wait == 0) {
      if (now_ > 0) gaps.push_back(now_ - last);
      last = now_;
    }
    now_ += wait;
  }
  uint64_t least = gaps[0];
  uint64_t most = gaps[0];
  for (const uint64_t gap : gaps) {
    least = std::min(least, gap);
    most = std::max(most, gap);
  }
  EXPECT_GE(least, 74U);
  EXPECT_LE(most, 126U);
  EXPECT_GT(most - least, 30U);
}

TEST_F(PacerTest, APermitGivenBackCostsNothing) {
  Pacer pacer(30'000);
  pacer.begin(100, 100'000, 0);
  double gap = 0;
  ASSERT_EQ(pacer.ask(100'000, 0, 0, gap), 0U);
  ASSERT_GT(pacer.ask(100'000, 0, 0, gap), 0U);
  pacer.give_back(750);
  EXPECT_EQ(pacer.ask(100'000, 0, 0, gap), 0U);
}

TEST_F(PacerTest, WhatNobodyUsedIsNotMadeUpFor) {
  Pacer pacer(30'000);
  pacer.begin(100, 100'000, 0);
  now_ = 3'600'000;
  int at_once = 0;
  double gap = 0;
  while (pacer.ask(100'000, now_, random_(), gap) == 0) ++at_once;
  EXPECT_LE(at_once, 2);
}

}  // namespace
}  // namespace millrace::flush
