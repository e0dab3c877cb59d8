// SPDX-License-Identifier: Apache-2.0
// Which chunk is taken next: those that failed before keep neither flush threads nor others
// waiting.
#include "buffer/chunk_queue.h"

#include <gtest/gtest.h>

#include "tests/support/scripted_io.h"

namespace millrace::buffer {
namespace {

using Pick = ChunkQueue::Pick;

class ChunkQueueTest : public ::testing::Test {
 protected:
  void add(uint64_t seq, uint32_t failures = 0, uint8_t throttles = 0) {
    QueuedChunk chunk;
    chunk.seq = seq;
    chunk.failures = failures;
    chunk.throttles = throttles;
    chunk.body_bytes = seq;
    queue_.add(std::move(chunk));
  }
  // 0: none.
  uint64_t take(Pick pick = Pick::kInTurn) {
    auto chunk = queue_.take_due(pick);
    if (!chunk) return 0;
    const uint64_t seq = chunk->seq;
    in_hand_.push_back(std::move(*chunk));
    return seq;
  }

  testing::ScriptedClock clock_;
  ChunkQueue queue_{clock_};
  std::vector<QueuedChunk> in_hand_;
};

TEST_F(ChunkQueueTest, WhatFailedBeforeHoldsNotAllThreads) {
  queue_.limit_failed_in_hand(2);
  for (uint64_t seq = 1; seq <= 4; ++seq) add(seq, 3);
  EXPECT_EQ(take(), 1U);
  EXPECT_EQ(take(), 2U);
  EXPECT_EQ(take(), 0U) << "two are left for others";
  add(10);
  EXPECT_EQ(take(), 10U);
  EXPECT_EQ(take(), 0U);
  queue_.finished(in_hand_[0]);
  EXPECT_EQ(take(), 3U);
}

TEST_F(ChunkQueueTest, WhatFailedBeforeIsTakenInTurn) {
  for (uint64_t seq = 1; seq <= 3; ++seq) add(seq, 1);
  for (uint64_t seq = 10; seq <= 12; ++seq) add(seq);
  std::vector<uint64_t> taken;
  while (const uint64_t seq = take()) taken.push_back(seq);
  EXPECT_EQ(taken, (std::vector<uint64_t>{1, 10, 2, 11, 3, 12}));
}

// Else the two oldest that fail for ever would be the only ones that are tried.
TEST_F(ChunkQueueTest, OfThoseThatFailedTheOneThatIsDueTheLongestComesFirst) {
  for (uint64_t seq = 1; seq <= 3; ++seq) add(seq, 1);
  std::vector<uint64_t> taken;
  for (uint64_t i = 1; i <= 9; ++i) {
    clock_.running += 1'000;
    taken.push_back(take());
    in_hand_.back().not_before_ms = clock_.running;
    queue_.give_back(std::move(in_hand_.back()));
  }
  EXPECT_EQ(taken, (std::vector<uint64_t>{1, 2, 3, 1, 2, 3, 1, 2, 3}));
}

// Else those of a shard that takes nothing would be all that is tried.
TEST_F(ChunkQueueTest, WhatWasRefusedHasOneTurnInEight) {
  for (uint64_t seq = 1; seq <= 3; ++seq) add(seq, 0, 5);
  for (uint64_t seq = 10; seq <= 30; ++seq) add(seq);
  std::vector<uint64_t> refused;
  for (int i = 0; i < 16; ++i) {
    EXPECT_FALSE(queue_.wait_due()->failed);
    const uint64_t seq = take();
    if (seq < 10) refused.push_back(seq);
  }
  EXPECT_EQ(refused, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(take(Pick::kNewest), 30U);
  EXPECT_EQ(queue_.queued(), 7U);
  for (int i = 0; i < 6; ++i) take(Pick::kOldest);
  EXPECT_EQ(take(Pick::kNewest), 3U) << "when there is nothing else";
  EXPECT_EQ(queue_.queued(), 0U);
  EXPECT_EQ(queue_.unfinished().size(), 24U);
}

TEST_F(ChunkQueueTest, OneThatIsToTellOfTheOutputHasNotFailed) {
  for (uint64_t seq = 1; seq <= 100; ++seq) add(seq, 1);
  for (uint64_t seq = 101; seq <= 103; ++seq) add(seq);
  EXPECT_EQ(take(Pick::kNewest), 103U);
  EXPECT_EQ(take(Pick::kOldest), 101U);
  EXPECT_EQ(take(Pick::kNewest), 102U);
  EXPECT_EQ(take(Pick::kNewest), 0U);
}

TEST_F(ChunkQueueTest, WhoWaitsIsToldWhetherAllThatIsDueHasFailed) {
  add(1, 1);
  EXPECT_EQ(queue_.wait_due()->bytes, 1U);
  EXPECT_TRUE(queue_.wait_due()->failed);
  add(2);
  EXPECT_EQ(queue_.wait_due()->bytes, 1U) << "it is its turn";
  EXPECT_FALSE(queue_.wait_due()->failed);
  EXPECT_EQ(take(), 1U);
  EXPECT_EQ(queue_.wait_due()->bytes, 2U);
}

TEST_F(ChunkQueueTest, TheOldestIsTheOldestWhereverItWaits) {
  add(5);
  add(3, 1);
  add(4);
  EXPECT_EQ(take(Pick::kOldest), 4U);
  in_hand_[0].not_before_ms = 1'000'000;
  queue_.give_back(std::move(in_hand_[0]));
  EXPECT_EQ(queue_.take_oldest()->seq, 3U);
  EXPECT_EQ(queue_.take_oldest()->seq, 4U);
  EXPECT_EQ(queue_.take_oldest()->seq, 5U);
  EXPECT_FALSE(queue_.take_oldest());
}

}  // namespace
}  // namespace millrace::buffer
