// SPDX-License-Identifier: Apache-2.0
#include "buffer/key_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <thread>

namespace millrace::buffer {
namespace {

constexpr uint64_t kHourMs = 3'600'000;
using Claim = KeyTable::Claim;

// `low` chooses the slot, so that keys can be made to collide.
RequestKey key(uint64_t low, uint64_t high = 0) {
  RequestKey out{};
  std::memcpy(out.data(), &low, 8);
  std::memcpy(out.data() + 8, &high, 8);
  return out;
}

Claim claim(
    KeyTable& table, const RequestKey& which, LogBits logs = 1, uint64_t now_ms = 0,
    const KeyTable::Waiter& waiter = [](bool) {}) {
  return table.claim(which, logs, now_ms, waiter);
}

TEST(KeyTable, IsOwnedThenPendingThenDurable) {
  KeyTable table(kHourMs);
  EXPECT_FALSE(table.knows(key(1), 1));
  EXPECT_EQ(claim(table, key(1)), Claim::kOwned);
  EXPECT_FALSE(table.is_durable(key(1), 1));
  EXPECT_TRUE(table.knows(key(1), 1));
  EXPECT_FALSE(table.knows(key(1), 2));
  std::string told;
  EXPECT_EQ(claim(table, key(1), 1, 0, [&](bool durable) { told += durable ? 'y' : 'n'; }),
            Claim::kPending);
  table.durable(key(1), 1);
  EXPECT_EQ(told, "y");
  EXPECT_EQ(claim(table, key(1)), Claim::kDurable);
  EXPECT_TRUE(table.is_durable(key(1), 1));
}

TEST(KeyTable, IsFreeAgainWhenTheOwnerFails) {
  KeyTable table(kHourMs);
  claim(table, key(1));
  std::string told;
  const auto waiter = [&](bool durable) {
    told += durable ? 'y' : 'n';
    // Already free when it is told, so that a message sent again finds an owner: itself.
    EXPECT_EQ(claim(table, key(1)), Claim::kOwned);
  };
  claim(table, key(1), 1, 0, waiter);
  table.failed(key(1), 1);
  EXPECT_EQ(told, "n");
}

TEST(KeyTable, KnowsTheLogsOneByOne) {
  KeyTable table(kHourMs);
  claim(table, key(1), 1);
  table.durable(key(1), 1);
  EXPECT_EQ(claim(table, key(1), 2), Claim::kOwned);
  EXPECT_EQ(claim(table, key(1), 1), Claim::kDurable);
  table.failed(key(1), 2);
  EXPECT_EQ(claim(table, key(1), 1), Claim::kDurable);
}

TEST(KeyTable, ForgetsWhenTheWindowIsOver) {
  KeyTable table(kHourMs);
  claim(table, key(1), 1, 1000);
  table.durable(key(1), 1);
  EXPECT_EQ(claim(table, key(1), 1, 1000 + kHourMs), Claim::kDurable);
  // Nothing else came in between.
  EXPECT_EQ(claim(table, key(1), 1, 1000 + kHourMs + kHourMs / 360), Claim::kOwned);
  EXPECT_EQ(table.status(0).evicted_early, 0U);
}

TEST(KeyTable, KeepsTheNewestWhenItIsFull) {
  KeyTable table(kHourMs, 3);
  for (uint64_t n = 1; n <= 4; ++n) {
    claim(table, key(n), 1, n * 60'000);
    table.durable(key(n), 1);
  }
  EXPECT_FALSE(table.is_durable(key(1), 1));
  EXPECT_TRUE(table.is_durable(key(2), 1));
  EXPECT_TRUE(table.is_durable(key(4), 1));
  const KeyTable::Status status = table.status(5 * 60'000);
  EXPECT_EQ(status.entries, 3U);
  EXPECT_EQ(status.evicted_early, 1U);
  EXPECT_EQ(status.window_ms, 3 * 60'000U);
}

TEST(KeyTable, AnEndedKeyIsNew) {
  KeyTable table(kHourMs);
  claim(table, key(1));
  table.durable(key(1), 1);
  table.ended(key(1));
  EXPECT_EQ(claim(table, key(1)), Claim::kOwned);
}

TEST(KeyTable, AKeyThatIsRenewedWhileItIsPendingIsNewOnceAndDurableWithTheLast) {
  KeyTable table(kHourMs);
  claim(table, key(1));
  table.renew(key(1));
  EXPECT_FALSE(table.knows(key(1), 1));
  EXPECT_EQ(claim(table, key(1)), Claim::kOwned);
  std::string told;
  const auto waiter = [&](bool durable) { told += durable ? 'y' : 'n'; };
  EXPECT_EQ(claim(table, key(1), 1, 0, waiter), Claim::kPending);
  table.durable(key(1), 1);  // of the first: the second is still on its way
  EXPECT_FALSE(table.is_durable(key(1), 1));
  EXPECT_EQ(told, "");
  table.durable(key(1), 1);
  EXPECT_TRUE(table.is_durable(key(1), 1));
  EXPECT_EQ(told, "y");
}

TEST(KeyTable, AKeyThatWasRenewedWhileItWasPendingIsForgottenWhenItIsStored) {
  KeyTable table(kHourMs);
  claim(table, key(1));
  table.renew(key(1));
  table.durable(key(1), 1);
  EXPECT_FALSE(table.is_durable(key(1), 1));
  EXPECT_EQ(table.status(0).entries, 0U);
  EXPECT_EQ(claim(table, key(1)), Claim::kOwned);
}

TEST(KeyTable, WhatWasFoundAtStartIsDurable) {
  KeyTable table(kHourMs);
  table.found(key(7), 2, 50);
  table.found(key(7), 1, 60);
  EXPECT_TRUE(table.is_durable(key(7), 3));
  EXPECT_TRUE(table.knows(key(7), 3));
  EXPECT_EQ(table.status(60).entries, 1U);
}

TEST(KeyTable, WithoutAWindowNothingIsKept) {
  KeyTable table(0);
  EXPECT_FALSE(table.on());
  table.found(key(7), 1, 0);
  EXPECT_FALSE(table.is_durable(key(7), 1));
}

// A message that two workers get at the same time has one owner; the other is told, or knows.
TEST(KeyTable, F8OfTwoWorkersAtOnceOneOwnsAMessage) {
  constexpr uint64_t kKeys = 20'000;
  KeyTable table(kHourMs);
  std::atomic<uint64_t> owned{0};
  std::atomic<uint64_t> known{0};
  std::atomic<uint64_t> told{0};
  const auto work = [&] {
    for (uint64_t n = 0; n < kKeys; ++n) {
      switch (claim(table, key(n), 1, 0, [&](bool durable) { told += durable ? 1 : 0; })) {
        case Claim::kOwned:
          ++owned;
          table.durable(key(n), 1);
          break;
        case Claim::kDurable:
          ++known;
          break;
        case Claim::kPending:
          break;
      }
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(owned, kKeys);
  EXPECT_EQ(known + told, kKeys);
}

// Against a map, with keys that collide, through growth and eviction.
RC_GTEST_PROP(KeyTable, AgreesWithAMap, (uint64_t seed)) {
  constexpr size_t kMost = 600;
  KeyTable table(kHourMs, kMost);
  std::map<uint64_t, uint64_t> place_of;  // durable keys -> when they were added
  std::set<uint64_t> forgotten;
  uint64_t state = seed;
  uint64_t added = 0;
  const auto random = [&state] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return state >> 33;
  };
  for (int step = 0; step < 4000; ++step) {
    const uint64_t n = random() % 1200;
    const RequestKey which = key(n % 50, n);
    if (random() % 8 == 0) {
      table.ended(which);
      place_of.erase(n);
      continue;
    }
    const bool known = place_of.count(n) > 0 && added - place_of[n] <= kMost;
    RC_ASSERT(table.is_durable(which, 1) == known);
    const Claim claimed = claim(table, which);
    RC_ASSERT((claimed == Claim::kDurable) == known);
    if (known) continue;
    place_of[n] = added++;
    if (random() % 16 == 0) {
      table.failed(which, 1);
      place_of.erase(n);
    } else {
      table.durable(which, 1);
    }
  }
}

}  // namespace
}  // namespace millrace::buffer
