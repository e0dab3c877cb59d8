// SPDX-License-Identifier: Apache-2.0
#include "input/forward/source_limits.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::input {
namespace {

constexpr uint64_t kNow = 1'000'000;
constexpr uint64_t kWait = 10'000;
constexpr uint64_t kSecond = SourceLimits::kGuessMs;

void guess_freely(SourceLimits& limits, const std::string& peer, uint64_t now_ms = kNow) {
  for (uint64_t i = 0; i < SourceLimits::kFreeGuesses; ++i) {
    EXPECT_EQ(limits.turn(peer, now_ms, kWait), now_ms) << i;
    limits.guessed_wrong(peer, now_ms);
  }
}

TEST(SourceLimits, ConnectionsOfASource) {
  SourceLimits limits(2);
  EXPECT_TRUE(limits.connect("10.0.0.1"));
  EXPECT_TRUE(limits.connect("10.0.0.1"));
  EXPECT_FALSE(limits.connect("10.0.0.1"));
  EXPECT_TRUE(limits.connect("10.0.0.2"));
  limits.disconnect("10.0.0.1");
  EXPECT_TRUE(limits.connect("10.0.0.1"));
  EXPECT_FALSE(limits.connect("10.0.0.1"));
}

TEST(SourceLimits, WithoutALimitAnyNumberConnects) {
  SourceLimits limits(0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limits.connect("10.0.0.1"));
  limits.disconnect("10.0.0.1");
}

TEST(SourceLimits, AnIpv6NetworkIsOneSource) {
  SourceLimits limits(1);
  EXPECT_TRUE(limits.connect("2001:db8:0:1::1"));
  EXPECT_FALSE(limits.connect("2001:db8:0:1:ffff:ffff:ffff:ffff"));
  EXPECT_TRUE(limits.connect("2001:db8:0:2::1"));
  EXPECT_TRUE(limits.connect("10.0.0.1"));
  EXPECT_FALSE(limits.connect("::ffff:10.0.0.1"));
  EXPECT_TRUE(limits.connect("10.0.0.2"));
}

TEST(SourceLimits, AFewWrongGuessesCostNothing) {
  SourceLimits limits(0);
  guess_freely(limits, "10.0.0.1");
  EXPECT_EQ(limits.turn("10.0.0.1", kNow, kWait), kNow + kSecond);
  EXPECT_EQ(limits.turn("10.0.0.2", kNow, kWait), kNow);
}

TEST(SourceLimits, EachTurnIsGivenOnce) {
  SourceLimits limits(0);
  guess_freely(limits, "10.0.0.1");
  for (uint64_t i = 1; i <= kWait / kSecond; ++i) {
    EXPECT_EQ(limits.turn("10.0.0.1", kNow, kWait), kNow + i * kSecond);
  }
  EXPECT_EQ(limits.turn("10.0.0.1", kNow, kWait), std::nullopt);
  // A second later there is one more.
  EXPECT_EQ(limits.turn("10.0.0.1", kNow + kSecond, kWait), kNow + kSecond + kWait);
  EXPECT_EQ(limits.turn("10.0.0.1", kNow + kSecond, kWait), std::nullopt);
}

// What one address can try in an hour, however many connections it has.
TEST(SourceLimits, ThereIsOneGuessASecond) {
  SourceLimits limits(0);
  constexpr uint64_t kHour = 3600 * kSecond;
  uint64_t judged = 0;
  for (uint64_t ms = 0; ms < kHour; ms += 100) {
    const auto turn = limits.turn("10.0.0.1", kNow + ms, kWait);
    if (!turn) continue;
    ++judged;
    if (*turn == kNow + ms) limits.guessed_wrong("10.0.0.1", kNow + ms);
  }
  EXPECT_LE(judged, kHour / kSecond + SourceLimits::kFreeGuesses + kWait / kSecond);
}

// An agent with an old key that tries every second delays nobody behind its address.
TEST(SourceLimits, OneWrongGuessASecondIsFree) {
  SourceLimits limits(0);
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t now_ms = kNow + i * kSecond;
    ASSERT_EQ(limits.turn("10.0.0.1", now_ms, kWait), now_ms);
    limits.guessed_wrong("10.0.0.1", now_ms);
  }
}

TEST(SourceLimits, AllIsForgivenInTime) {
  SourceLimits limits(0);
  guess_freely(limits, "10.0.0.1");
  const uint64_t later = kNow + SourceLimits::kFreeGuesses * kSecond;
  guess_freely(limits, "10.0.0.1", later);
  EXPECT_EQ(limits.turn("10.0.0.1", later, kWait), later + kSecond);
}

TEST(SourceLimits, ManySourcesAreRememberedWithinBounds) {
  SourceLimits limits(0);
  const auto peer = [](size_t i) {
    return "10." + std::to_string(i >> 16) + "." + std::to_string((i >> 8) & 255) + "." +
           std::to_string(i & 255);
  };
  guess_freely(limits, "192.0.2.1");
  for (size_t i = 0; i < 2 * SourceLimits::kGuiltyMax; ++i) limits.guessed_wrong(peer(i), kNow);
  EXPECT_EQ(limits.guilty(), SourceLimits::kGuiltyMax);
  // Who guessed most is remembered longest.
  EXPECT_EQ(limits.turn("192.0.2.1", kNow, kWait), kNow + kSecond);
  limits.guessed_wrong("192.0.2.2", kNow + 60 * kSecond);
  EXPECT_EQ(limits.guilty(), 1u) << "all others have paid";
}

}  // namespace
}  // namespace millrace::input
