// SPDX-License-Identifier: Apache-2.0
#include "input/forward/frame_rate.h"

#include <gtest/gtest.h>

namespace millrace::input {
namespace {

constexpr uint64_t kWindowMs = 60'000;
constexpr uint64_t kNow = 1'000'000;

TEST(FrameRate, AWindowIsWaitedFor) {
  FrameRate rate(64, kWindowMs);
  rate.restart(kNow);
  EXPECT_FALSE(rate.too_slow(kNow + kWindowMs - 1));
  EXPECT_TRUE(rate.too_slow(kNow + kWindowMs));
}

TEST(FrameRate, TheLeastIsEnough) {
  FrameRate rate(64, kWindowMs);
  rate.restart(kNow);
  rate.received(64 * 60 - 1);
  EXPECT_TRUE(rate.too_slow(kNow + kWindowMs));
  rate.received(1);
  EXPECT_FALSE(rate.too_slow(kNow + kWindowMs));
}

TEST(FrameRate, MuchAtFirstIsNoCredit) {
  FrameRate rate(64, kWindowMs);
  rate.restart(kNow);
  rate.received(64 << 20);
  EXPECT_FALSE(rate.too_slow(kNow + kWindowMs));
  rate.received(1);
  EXPECT_FALSE(rate.too_slow(kNow + 2 * kWindowMs - 1));
  EXPECT_TRUE(rate.too_slow(kNow + 2 * kWindowMs));
}

TEST(FrameRate, APauseOfOursDoesNotCount) {
  FrameRate rate(64, kWindowMs);
  rate.restart(kNow);
  rate.restart(kNow + 10 * kWindowMs);
  EXPECT_FALSE(rate.too_slow(kNow + 10 * kWindowMs + 1));
}

TEST(FrameRate, ZeroIsNoLimit) {
  FrameRate rate(0, kWindowMs);
  rate.restart(kNow);
  for (uint64_t i = 1; i < 100; ++i) EXPECT_FALSE(rate.too_slow(kNow + i * kWindowMs));
}

}  // namespace
}  // namespace millrace::input
