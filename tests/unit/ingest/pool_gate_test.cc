// SPDX-License-Identifier: Apache-2.0
#include "ingest/pool_gate.h"

#include <gtest/gtest.h>

namespace millrace::ingest {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kLarge = 200 * kMiB;

TEST(PoolGate, TakesUpToItsLimit) {
  PoolGate gate;
  EXPECT_TRUE(gate.admits(4 * kMiB, {.bytes = 60 * kMiB}, 1));
  EXPECT_FALSE(gate.admits(4 * kMiB + 1, {.bytes = 60 * kMiB}, 1));
  EXPECT_TRUE(gate.admits(4 * kMiB + 1, {.bytes = 60 * kMiB, .idle = true}, 1));
}

TEST(PoolGate, WhatIsStuckHoldsNobodyUp) {
  PoolGate gate;
  EXPECT_TRUE(gate.admits(4 * kMiB, {.bytes = 160 * kMiB, .stuck = 100 * kMiB}, 1));
  EXPECT_TRUE(gate.admits(kLarge, {.bytes = 160 * kMiB, .stuck = 155 * kMiB}, 1));
  EXPECT_FALSE(gate.admits(kLarge, {.bytes = 160 * kMiB, .stuck = 100 * kMiB}, 1));
}

// Under steady load nothing is ever idle: the others wait while a large one does.
TEST(PoolGate, ALargeMessageComesIn) {
  PoolGate gate;
  uint64_t now = 5'000;
  EXPECT_FALSE(gate.admits(kLarge, {.bytes = 40 * kMiB}, now));
  EXPECT_FALSE(gate.admits(1000, {.bytes = 20 * kMiB}, ++now));
  EXPECT_TRUE(gate.admits(kLarge, {.bytes = 8 * kMiB}, ++now));
  EXPECT_TRUE(gate.admits(1000, {.bytes = 20 * kMiB}, ++now));
}

TEST(PoolGate, OneThatHasGoneHoldsNobodyUpForLong) {
  PoolGate gate;
  EXPECT_FALSE(gate.admits(kLarge, {.bytes = 40 * kMiB}, 5'000));
  EXPECT_FALSE(gate.admits(1000, {.bytes = 40 * kMiB}, 5'999));
  EXPECT_TRUE(gate.admits(1000, {.bytes = 40 * kMiB}, 6'000));
}

// Between two of them the others have their turn.
TEST(PoolGate, ManyLargeMessagesLeaveTheOthersHalfTheTime) {
  PoolGate gate;
  EXPECT_TRUE(gate.admits(kLarge, {}, 5'000));
  EXPECT_FALSE(gate.admits(kLarge, {.bytes = 40 * kMiB}, 5'100));
  EXPECT_TRUE(gate.admits(1000, {.bytes = 40 * kMiB}, 5'999));
  EXPECT_FALSE(gate.admits(1000, {.bytes = 40 * kMiB}, 6'000));
}

}  // namespace
}  // namespace millrace::ingest
