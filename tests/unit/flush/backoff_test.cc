// SPDX-License-Identifier: Apache-2.0
#include "flush/backoff.h"

#include <gtest/gtest.h>

#include <limits>

namespace millrace::flush {
namespace {

using output::Outcome;

constexpr uint64_t kMiddle = 1ULL << 63;  // unit() gives 0.5: no jitter
constexpr uint64_t kHighest = std::numeric_limits<uint64_t>::max();

output::PutResult result(Outcome outcome, uint64_t retry_after_ms = 0) {
  output::PutResult put;
  put.outcome = outcome;
  put.retry_after_ms = retry_after_ms;
  return put;
}

TEST(Backoff, GrowsByTheBaseUpToTheCap) {
  const Backoff backoff(config::Buffer{});
  const uint64_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
  for (uint32_t n = 1; n <= 7; ++n) {
    EXPECT_EQ(backoff.interval_ms(n), expected[n - 1]);
  }
  EXPECT_EQ(backoff.interval_ms(std::numeric_limits<uint32_t>::max()), 30000u);
}

TEST(Backoff, JitterIsAnEighthToEitherSide) {
  const Backoff backoff(config::Buffer{});
  for (const Outcome outcome : {Outcome::kUnavailable, Outcome::kAmbiguous}) {
    Retries low;
    Retries middle;
    Retries high;
    EXPECT_EQ(backoff.failed(low, result(outcome), 0, 0).wait_ms, 875u);
    EXPECT_EQ(backoff.failed(middle, result(outcome), 0, kMiddle).wait_ms, 1000u);
    EXPECT_NEAR(static_cast<double>(backoff.failed(high, result(outcome), 0, kHighest).wait_ms),
                1125, 1);
  }
  config::Buffer options;
  options.retry_randomize = false;
  Retries plain;
  EXPECT_EQ(Backoff(options).failed(plain, result(Outcome::kUnavailable), 0, 0).wait_ms, 1000u);
}

TEST(Backoff, SlowCausesWaitLonger) {
  const Backoff backoff(config::Buffer{});
  Retries denied;
  EXPECT_EQ(backoff.failed(denied, result(Outcome::kNotAuthorized), 0, kMiddle).wait_ms, 10'000u);
  Retries absent;
  EXPECT_EQ(backoff.failed(absent, result(Outcome::kUnavailable, 12'000), 0, kMiddle).wait_ms,
            12'000u);
}

TEST(Backoff, RejectedBytesAreGivenUpAtOnceEvenForever) {
  config::Buffer options;
  options.retry_forever = true;
  Retries retries;
  const Decision decision = Backoff(options).failed(retries, result(Outcome::kRejected), 0, 0);
  EXPECT_TRUE(decision.give_up);
  EXPECT_TRUE(decision.refused);
}

TEST(Backoff, OneLastAttemptAtTheTimeout) {
  config::Buffer options;
  options.retry_randomize = false;
  options.retry_timeout_ms = 10'000;
  const Backoff backoff(options);
  Retries retries;
  uint64_t now = 5'000;
  std::vector<uint64_t> waits;
  for (;;) {
    const Decision decision = backoff.failed(retries, result(Outcome::kAmbiguous), now, kMiddle);
    if (decision.give_up) {
      EXPECT_FALSE(decision.refused);
      break;
    }
    waits.push_back(decision.wait_ms);
    now += decision.wait_ms;
  }
  EXPECT_EQ(waits, (std::vector<uint64_t>{1000, 2000, 4000, 3000}));
  EXPECT_EQ(now, 15'000u);
}

TEST(Backoff, CountsRetriesNotAttempts) {
  config::Buffer options;
  options.retry_max_times = 3;
  const Backoff backoff(options);
  Retries retries;
  int attempts = 1;
  while (!backoff.failed(retries, result(Outcome::kUnavailable), 0, kMiddle).give_up) {
    ++attempts;
  }
  EXPECT_EQ(attempts, 4);
}

TEST(Backoff, ForeverKnowsNoLimit) {
  config::Buffer options;
  options.retry_forever = true;
  options.retry_max_times = 1;
  options.retry_timeout_ms = 1;
  const Backoff backoff(options);
  Retries retries;
  for (uint64_t i = 0; i < 1000; ++i) {
    const Decision decision =
        backoff.failed(retries, result(Outcome::kNotAuthorized), i * 100'000'000, kMiddle);
    ASSERT_FALSE(decision.give_up);
    ASSERT_GE(decision.wait_ms, 10'000u);
    ASSERT_LE(decision.wait_ms, 33'750u);
  }
}

TEST(Backoff, ThrottlesHaveFullJitterAndCountTowardsNothing) {
  config::Buffer options;
  options.retry_max_times = 1;
  options.retry_timeout_ms = 1'000;
  const Backoff backoff(options);
  Retries low;
  Retries high;
  const uint64_t ceilings[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
  uint64_t now = 0;
  for (const uint64_t ceiling : ceilings) {
    EXPECT_EQ(backoff.failed(low, result(Outcome::kThrottled), now, 0).wait_ms, 100u);
    const Decision decision = backoff.failed(high, result(Outcome::kThrottled), now, kHighest);
    EXPECT_FALSE(decision.give_up);
    EXPECT_EQ(decision.wait_ms, ceiling - 1);
    now += 1'000'000'000;
  }
  EXPECT_EQ(high.failures, 0u);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_LE(backoff.failed(high, result(Outcome::kThrottled), now, kHighest).wait_ms, 30'000u);
  }
  Retries asked;
  EXPECT_EQ(backoff.failed(asked, result(Outcome::kThrottled, 1'000), 0, 0).wait_ms, 1'100u);
}

TEST(Backoff, TimeSpentThrottledMovesTheDeadline) {
  config::Buffer options;
  options.retry_randomize = false;
  options.retry_timeout_ms = 1'500;
  const Backoff backoff(options);
  Retries retries;
  uint64_t now = backoff.failed(retries, result(Outcome::kUnavailable), 0, kMiddle).wait_ms;
  now += backoff.failed(retries, result(Outcome::kThrottled), now, kHighest).wait_ms;
  EXPECT_EQ(now, 1'499u);
  const Decision next = backoff.failed(retries, result(Outcome::kUnavailable), now, kMiddle);
  EXPECT_FALSE(next.give_up);
  EXPECT_EQ(next.wait_ms, 500u) << "1500 ms without the throttled 499, of which 1000 are gone";
  EXPECT_EQ(retries.throttles, 0u);
  EXPECT_TRUE(
      backoff.failed(retries, result(Outcome::kUnavailable), now + next.wait_ms, kMiddle).give_up);
}

TEST(Backoff, OddOptionsStayFinite) {
  config::Buffer options;
  options.retry_wait_ms = 0;
  options.retry_max_interval_ms = 0;
  options.retry_timeout_ms = kHighest;
  Retries retries;
  EXPECT_EQ(Backoff(options).failed(retries, result(Outcome::kUnavailable), 5, kHighest).wait_ms,
            1u);
  EXPECT_EQ(Backoff(options).failed(retries, result(Outcome::kThrottled), 5, kHighest).wait_ms,
            100u);
}

}  // namespace
}  // namespace millrace::flush
