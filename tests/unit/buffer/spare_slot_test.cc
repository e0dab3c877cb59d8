// SPDX-License-Identifier: Apache-2.0
#include "buffer/spare_slot.h"

#include <gtest/gtest.h>

#include "io/simulated.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kHeader = kSegmentHeaderBytes;

SpareSlot::Laid laid(uint64_t closed_begin, uint64_t open_begin, uint64_t open_end) {
  return SpareSlot::Laid{
      .closed_begin = closed_begin, .open_begin = open_begin, .open_end = open_end};
}

class SpareSlotTest : public ::testing::Test {
 protected:
  // An active segment of 4 MiB: a quarter is reserved.
  void SetUp() override { slot.set_active(0, 4 * kMiB); }
  void put(uint64_t capacity) {
    slot.put(Spare{.path = "/spare", .file = nullptr, .capacity = capacity});
  }
  SpareSlot slot;
};

TEST_F(SpareSlotTest, TheReserveIsTheSealsOrAQuarter) {
  EXPECT_EQ(reserve_bytes(4 * kMiB, 4096), kMiB);
  EXPECT_EQ(reserve_bytes(64 * kMiB, 4096), 4 * kMiB);
  EXPECT_EQ(reserve_bytes(64 * kMiB, 5 * kMiB), 5 * kMiB);
}

TEST_F(SpareSlotTest, WithoutASpareTheActiveSegmentHoldsIt) {
  const uint64_t last = 3 * kMiB - kHeader;
  EXPECT_TRUE(slot.leaves_reserve(laid(0, 0, last), 4096));
  EXPECT_EQ(slot.wanted(), 0U);
  EXPECT_FALSE(slot.leaves_reserve(laid(0, 0, last + 1), 4096));
  EXPECT_FALSE(slot.leaves_reserve(laid(0, 0, last - kMiB), 2 * kMiB + 4096));
  EXPECT_GT(slot.wanted(), 0U);
}

TEST_F(SpareSlotTest, WithOneTheOpenBatchMayRoll) {
  put(8 * kMiB);  // two of them are reserved
  const uint64_t open = 3 * kMiB;
  EXPECT_TRUE(slot.leaves_reserve(laid(0, open, open + 6 * kMiB - kHeader), 4096));
  EXPECT_FALSE(slot.leaves_reserve(laid(0, open, open + 6 * kMiB), 4096));
  EXPECT_GT(slot.wanted(), 8 * kMiB);
  slot.forget_wanted();
  EXPECT_EQ(slot.wanted(), 0U);
}

// The open batch fits, but SEALs that come into it would not: it would roll with them.
TEST_F(SpareSlotTest, ASpareThatHoldsTheSealsButNotTheirBatchIsTooSmall) {
  put(kMiB);
  EXPECT_FALSE(slot.leaves_reserve(laid(0, 0, 3 * kMiB + kMiB / 2), 4096));
  EXPECT_TRUE(slot.leaves_reserve(laid(0, 3 * kMiB + kMiB / 4, 3 * kMiB + kMiB / 2), 4096));
}

TEST_F(SpareSlotTest, ACommitThatRollsTakesItsPartOfTheSpare) {
  put(8 * kMiB);
  const uint64_t closed = 3 * kMiB;
  const uint64_t open = 5 * kMiB;  // behind the end of the active segment
  EXPECT_TRUE(slot.leaves_reserve(laid(closed, open, closed + 6 * kMiB - kHeader), 4096));
  EXPECT_FALSE(slot.leaves_reserve(laid(closed, open, closed + 6 * kMiB), 4096));
  // The same while it rolls, and afterwards.
  ASSERT_TRUE(slot.take(closed));
  EXPECT_FALSE(slot.filled());
  EXPECT_TRUE(slot.leaves_reserve(laid(closed, open, closed + 6 * kMiB - kHeader), 4096));
  EXPECT_FALSE(slot.leaves_reserve(laid(closed, open, closed + 6 * kMiB), 4096));
}

TEST_F(SpareSlotTest, WhatIsWantedIsEnough) {
  for (const uint64_t debt : {uint64_t{4096}, 300'000UL, 9 * kMiB}) {
    for (uint64_t bytes = 100'000; bytes < 70 * kMiB; bytes = bytes * 3 / 2) {
      SpareSlot one;
      one.set_active(0, kMiB);
      const auto wish = laid(0, 900'000 / 4096 * 4096, 900'000 + bytes);
      if (one.leaves_reserve(wish, debt)) continue;
      one.put(Spare{.path = "/spare", .file = nullptr, .capacity = one.wanted()});
      EXPECT_TRUE(one.leaves_reserve(wish, debt)) << bytes << " " << debt;
      EXPECT_EQ(one.wanted(), 0U);
    }
  }
}

TEST_F(SpareSlotTest, ACommitThatWaitsIsNotForgotten) {
  slot.want(kMiB);
  slot.forget_wanted();
  EXPECT_EQ(slot.wanted(), kMiB);
  put(kMiB);
  EXPECT_EQ(slot.wanted(), 0U);
  ASSERT_TRUE(slot.take(0));
  EXPECT_EQ(slot.wanted(), 0U);
}

TEST_F(SpareSlotTest, SealsMayUseTheReserve) {
  const uint64_t end = 4 * kMiB - kHeader - 8192;
  EXPECT_FALSE(slot.leaves_reserve(laid(0, 0, end), 8192));
  EXPECT_TRUE(slot.leaves_seals(laid(0, 0, end), 8192));
  EXPECT_FALSE(slot.leaves_seals(laid(0, 0, end + 1), 8192));
}

TEST(GrowSpare, KeepsWhatItHasIfThereIsNoMore) {
  io::SimulatedFileSystem files;
  ASSERT_TRUE(files.make_directories("/log"));
  auto spare = make_spare(files, "/log", 1, kMiB, kMiB);
  ASSERT_TRUE(spare);
  files.set_capacity(3 * kMiB);
  EXPECT_FALSE(grow_spare(*spare, 4 * kMiB));
  EXPECT_EQ(spare->capacity, kMiB);
  EXPECT_EQ(*spare->file->size(), kMiB);
  EXPECT_TRUE(grow_spare(*spare, 2 * kMiB));
  EXPECT_EQ(spare->capacity, 2 * kMiB);
  EXPECT_EQ(*spare->file->size(), 2 * kMiB);
}

}  // namespace
}  // namespace millrace::buffer
