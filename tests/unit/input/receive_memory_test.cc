// SPDX-License-Identifier: Apache-2.0
#include "input/forward/receive_memory.h"

#include <gtest/gtest.h>

#include "input/forward/receive_buffer.h"

namespace millrace::input {
namespace {

TEST(ReceiveMemory, OverTheLimitOneGoesOnAndTheOthersTakeTurns) {
  ReceiveMemory memory(100);
  for (int i = 0; i < 3; ++i) memory.add_connection();
  memory.changed(0, 100);
  EXPECT_TRUE(memory.admit(1, 0));
  memory.changed(0, 50);
  EXPECT_TRUE(memory.admit(1, 5));
  EXPECT_FALSE(memory.awaited_since(100));  // nobody waits
  EXPECT_TRUE(memory.admit(1, 6));
  EXPECT_FALSE(memory.admit(2, 6));
  EXPECT_FALSE(memory.admit(3, 7));
  EXPECT_FALSE(memory.awaited_since(5));
  EXPECT_TRUE(memory.awaited_since(6));
  EXPECT_EQ(memory.next(), 0u);
  memory.finished(2);  // not the favoured one
  EXPECT_EQ(memory.next(), 0u);
  memory.finished(1);
  // Who asks now comes after those who wait.
  EXPECT_FALSE(memory.admit(1, 9));
  EXPECT_EQ(memory.next(), 2u);
  EXPECT_FALSE(memory.awaited_since(6));  // the first of them has its turn
  EXPECT_TRUE(memory.awaited_since(7));
  EXPECT_EQ(memory.next(), 0u);
  memory.changed(60, 0);
  EXPECT_EQ(memory.next(), 3u);
  EXPECT_EQ(memory.next(), 1u);
  EXPECT_EQ(memory.next(), 0u);
  EXPECT_EQ(memory.held_bytes(), 90u);
}

TEST(ReceiveMemory, TheSharesOfAllAreAQuarter) {
  ReceiveMemory memory(1 << 20);
  memory.add_connection();
  EXPECT_EQ(memory.share(), 1U << 18);
  for (int i = 0; i < 7; ++i) memory.add_connection();
  EXPECT_EQ(memory.share(), 1U << 15);
  memory.remove_connection(1);
  EXPECT_EQ(memory.share(), (1U << 18) / 7);
  memory.changed(0, (5U << 19) + 1);
  EXPECT_EQ(memory.share(), ReceiveMemory::kSmallBytes);
  memory.changed(1, 0);
  for (int i = 0; i < 1000; ++i) memory.add_connection();
  EXPECT_EQ(memory.share(), ReceiveMemory::kSmallBytes);
}

TEST(ReceiveMemory, WhoIsNotFavouredReadsNoMoreThanItsShare) {
  ReceiveMemory memory(1 << 20);
  for (int i = 0; i < 8; ++i) memory.add_connection();
  EXPECT_EQ(memory.free_for(1, 0), UINT64_MAX);
  memory.changed(0, (1 << 20) + 1);
  ASSERT_TRUE(memory.admit(1, 0));
  EXPECT_EQ(memory.free_for(1, 1 << 19), UINT64_MAX);
  EXPECT_EQ(memory.free_for(2, 0), 1U << 15);
  EXPECT_EQ(memory.free_for(2, 12'768), 20'000U);
  EXPECT_EQ(memory.free_for(2, 40'000), ReceiveMemory::kSmallBytes);
}

TEST(ReceiveMemory, IsCrowdedFromHalfOfTheLimitOn) {
  ReceiveMemory memory(100);
  memory.changed(0, 50);
  EXPECT_FALSE(memory.crowded());
  memory.changed(0, 1);
  EXPECT_TRUE(memory.crowded());
  EXPECT_FALSE(memory.overrun());
  memory.changed(0, 199);
  EXPECT_FALSE(memory.overrun());
  memory.changed(0, 1);
  EXPECT_TRUE(memory.overrun());
}

TEST(ReceiveBuffer, GrowsWithWhatHasArrived) {
  BufferPool pool;
  ReceiveBuffer buffer(pool);
  EXPECT_EQ(buffer.capacity(), 0u);
  buffer.assign("abc");
  EXPECT_LE(buffer.capacity(), 256u);
  size_t grown = 0;
  size_t capacity = buffer.capacity();
  // A declared 64 MiB takes memory only as its bytes come.
  while (buffer.size() < (size_t{64} << 20)) {
    buffer.make_room(size_t{64} << 20);
    ASSERT_GT(buffer.tail_size(), 0u);
    ASSERT_LE(buffer.capacity(), std::max(2 * buffer.size(), buffer.size() + 70'000));
    if (buffer.capacity() != capacity) ++grown;
    capacity = buffer.capacity();
    buffer.tail()[0] = static_cast<char>(buffer.size());
    buffer.commit(std::min<size_t>(buffer.tail_size(), 60'000));
  }
  EXPECT_LT(grown, 30u);
  EXPECT_EQ(buffer.view().substr(0, 3), "abc");
  buffer.consume(buffer.size());
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(ReceiveBuffer, AnUnknownEndGrowsGeometricallyToo) {
  BufferPool pool;
  ReceiveBuffer buffer(pool);
  buffer.assign("x");
  size_t grown = 0;
  size_t capacity = buffer.capacity();
  while (buffer.size() < (size_t{32} << 20)) {
    buffer.make_room(buffer.size() + 1);  // all that a frame of many values promises
    if (buffer.capacity() != capacity) ++grown;
    capacity = buffer.capacity();
    buffer.commit(std::min<size_t>(buffer.tail_size(), 100'000));
  }
  EXPECT_LT(grown, 40u);
}

TEST(ReceiveBuffer, ASmallRestLeavesABigBlock) {
  BufferPool pool;
  ReceiveBuffer buffer(pool);
  buffer.assign(std::string(200'000, 'x') + "rest");
  buffer.consume(200'000);
  EXPECT_EQ(buffer.view(), "rest");
  EXPECT_LT(buffer.capacity(), 1000u);
}

TEST(BufferPool, KeepsFewUsualBlocks) {
  BufferPool pool;
  Block block = pool.take(100'000);
  const char* const memory = block.memory.get();
  pool.give(std::move(block));
  EXPECT_EQ(pool.take(90'000).memory.get(), memory);
  pool.give(pool.take(BufferPool::kKeptBytesMax + 1));  // freed
  for (size_t i = 0; i < BufferPool::kKeptBlocksMax; ++i) {
    pool.give({Memory(static_cast<char*>(std::malloc(20'000))), 20'000});
  }
  pool.give({Memory(static_cast<char*>(std::malloc(90'000))), 90'000});  // instead of a smaller one
  EXPECT_EQ(pool.take(80'000).capacity, 90'000u);
}

}  // namespace
}  // namespace millrace::input
