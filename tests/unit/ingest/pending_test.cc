// SPDX-License-Identifier: Apache-2.0
#include "ingest/pending.h"

#include <gtest/gtest.h>

namespace millrace::ingest {
namespace {

TEST(Pending, EachIsGivenBackOnceInAnyOrder) {
  Pending pending;
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(pending.next_id(), i + 1);
    pending.add(PendingRequest{.ticket = {.connection = 7, .message = i}});
  }
  for (const uint64_t id : {3U, 1U, 4U, 2U}) {
    EXPECT_EQ(pending.complete(id).ticket.message, id - 1);
  }
  EXPECT_EQ(pending.size(), 0U);
}

// One that waits for hours, of a log that refuses, costs nothing for those that come after it.
TEST(Pending, OneThatIsStuckKeepsNoOther) {
  Pending pending;
  pending.add(PendingRequest{.ticket = {.connection = 1, .message = 1}});
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    const uint64_t id = pending.next_id();
    pending.add(PendingRequest{.ticket = {.connection = 2, .message = i}});
    ASSERT_EQ(pending.complete(id).ticket.message, i);
    ASSERT_LT(pending.size(), 20'000U);
  }
  EXPECT_EQ(pending.complete(1).ticket.connection, 1U);
  EXPECT_EQ(pending.size(), 0U);
}

}  // namespace
}  // namespace millrace::ingest
