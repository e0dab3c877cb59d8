// SPDX-License-Identifier: Apache-2.0
#include "input/forward/pending_acks.h"

#include <gtest/gtest.h>

namespace millrace::input {
namespace {

void add(PendingAcks& pending, const std::string& ack, uint64_t bytes = 10) {
  pending.ack_buffer() += ack;
  pending.add(bytes, 1);
}

TEST(PendingAcks, BecomeDueInOrder) {
  PendingAcks pending;
  EXPECT_EQ(pending.next_number(), 1u);
  add(pending, "a");
  add(pending, "");
  add(pending, "c");
  EXPECT_EQ(pending.next_number(), 4u);
  pending.settle(3);
  EXPECT_EQ(pending.due().messages, 0u);
  pending.settle(1);
  PendingAcks::Due due = pending.due();
  EXPECT_EQ(due.acks, "a");
  EXPECT_EQ(due.messages, 1u);
  pending.pop(due);
  pending.settle(2);
  due = pending.due();
  EXPECT_EQ(due.acks, "c");
  EXPECT_EQ(due.messages, 2u);
  EXPECT_FALSE(pending.has_ack(0));
  EXPECT_TRUE(pending.has_ack(1));
  pending.pop(due);
  EXPECT_TRUE(pending.empty());
  EXPECT_EQ(pending.next_number(), 4u);
}

TEST(PendingAcks, NumbersThatAreNotHeldAreIgnored) {
  PendingAcks pending;
  pending.settle(1);
  add(pending, "a");
  pending.settle(0);
  pending.settle(2);
  EXPECT_EQ(pending.due().messages, 0u);
  pending.settle(1);
  pending.pop(pending.due());
  pending.settle(1);
  EXPECT_TRUE(pending.empty());
}

TEST(PendingAcks, DroppedOnesLeaveTheEarlierOnes) {
  PendingAcks pending;
  for (const char* ack : {"1", "22", "333"}) add(pending, ack, PendingAcks::kBytesMax / 2);
  EXPECT_TRUE(pending.full());
  pending.drop_from(2);
  EXPECT_FALSE(pending.full());
  pending.settle(1);
  pending.settle(3);
  EXPECT_EQ(pending.due().acks, "1");
  EXPECT_EQ(pending.due().messages, 1u);
  pending.drop_all();
  EXPECT_TRUE(pending.empty());
}

TEST(PendingAcks, FullByCount) {
  PendingAcks pending;
  for (size_t i = 0; i < PendingAcks::kMessagesMax; ++i) {
    EXPECT_FALSE(pending.full());
    add(pending, "x");
  }
  EXPECT_TRUE(pending.full());
}

// A long pipeline that never runs empty: what is gone is cleared away.
TEST(PendingAcks, NeverEmptyStaysInOrder) {
  PendingAcks pending;
  uint64_t next = 1;
  for (int i = 0; i < 3; ++i) add(pending, std::to_string(pending.next_number()) + ",");
  for (int i = 0; i < 10'000; ++i) {
    add(pending, std::to_string(pending.next_number()) + ",");
    pending.settle(next);
    const PendingAcks::Due due = pending.due();
    ASSERT_EQ(due.acks, std::to_string(next) + ",");
    pending.pop(due);
    ++next;
    ASSERT_EQ(pending.count(), 3u);
  }
  EXPECT_LT(pending.ack_buffer().size(), 20'000u);
}

}  // namespace
}  // namespace millrace::input
