// SPDX-License-Identifier: Apache-2.0
// A disk that fills up while the log runs: what is staged can always be sealed, delivered and its
// space given back, without a new block, and storing goes on by itself.

#include <gtest/gtest.h>

#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"
#include "tests/support/sanitized.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kManyChunks = testing::unless_sanitized(100'000, 10'000);

class Reserve : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(harness.start()); }

  uint64_t used() { return capacity_ - *files.free_bytes("/"); }
  void set_capacity(uint64_t bytes) {
    capacity_ = bytes;
    files.set_capacity(bytes);
  }
  /// Somebody else takes every free block.
  void fill() { set_capacity(used()); }
  /// Time passes, as housekeeping sees it.
  bool tend_until(const std::function<bool()>& reached, uint64_t within_ms) {
    for (uint64_t passed = 0; passed <= within_ms; passed += 200) {
      harness.log().tend();
      if (reached()) return true;
      harness.clock.running += 200;
    }
    return false;
  }
  /// Stores records until the log does not take one more; how it says so.
  Room store_until_full(size_t bytes, int stages) {
    for (int i = 0;; ++i) {
      const std::string record = std::to_string(i) + ";" + std::string(bytes, 'r');
      const Room room = harness.offer({record}, "stage" + std::to_string(i % stages));
      if (room == Room::kNotYet) {
        harness.log().tend();
        harness.clock.running += 1;  // a spare that could not be made is tried again in a second
        continue;
      }
      if (room != Room::kYes) return room;
      ++stored_;
      EXPECT_TRUE(harness.commit(1000)) << "what is admitted needs no space";
    }
  }
  /// Seals and commits everything; false if that needs more space than there is.
  bool seal_all() {
    harness.log().appender().seal_all(SealReason::kForced);
    return harness.commit(1000);
  }

  io::SimulatedFileSystem files;
  LogHarness harness{files};
  uint64_t capacity_ = UINT64_MAX;
  uint64_t stored_ = 0;
};

TEST_F(Reserve, StagedChunksAreSealedAndDeliveredOnAFullDisk) {
  for (const int stages : {1, 10, 300}) {
    SCOPED_TRACE(stages);
    fill();
    EXPECT_EQ(store_until_full(2000, stages), Room::kDiskFull);
    EXPECT_TRUE(harness.log().status().full);
    EXPECT_GE(harness.log().appender().staged_chunks(), 1U);
    const uint64_t before = used();
    ASSERT_TRUE(seal_all());
    while (auto taken = harness.take()) {
      harness.finish(*taken);
      stored_ -= taken->loaded.records;
      harness.log().tend();
      fill();
    }
    EXPECT_EQ(stored_, 0U) << "nothing is lost, nothing comes twice";
    EXPECT_LE(used(), before) << "no new block";
    EXPECT_EQ(harness.log().segments().live_bytes(), 0U);
    EXPECT_EQ(harness.log().segments().count(), 1U);
    set_capacity(UINT64_MAX);
    EXPECT_TRUE(tend_until([&] { return harness.log().room(2000) == Room::kYes; }, 5000));
    EXPECT_FALSE(harness.log().status().full);
  }
}

// Somebody else takes each block that is given back.
TEST_F(Reserve, F4ADrainOf100000ChunksNeedsNoBlock) {
  for (uint64_t chunks = 0; chunks < kManyChunks;) {
    for (int stage = 0; stage < 1000; ++stage, ++chunks) {
      harness.append({std::string(100, 'r')}, "stage" + std::to_string(stage));
    }
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
    harness.log().tend();
  }
  EXPECT_EQ(harness.offer({"staged;"}), Room::kYes);
  ASSERT_TRUE(harness.commit());
  fill();
  const uint64_t before = used();
  EXPECT_GE(harness.log().segments().count(), 2U);
  ASSERT_TRUE(seal_all());
  uint64_t delivered = 0;
  while (harness.log().queue().queued() > 0) {
    harness.log().finish(*harness.log().queue().take(), Finish::kDelivered);
    if (++delivered % 500 == 0) {
      harness.log().tend();
      fill();
    }
  }
  EXPECT_EQ(delivered, kManyChunks + 1);
  EXPECT_TRUE(tend_until([&] { return harness.log().segments().count() == 1; }, 1000));
  EXPECT_EQ(harness.log().segments().live_bytes(), 0U);
  EXPECT_LT(used(), before);
}

TEST_F(Reserve, WhatSegmentsGiveBackIsEnoughToGoOn) {
  harness.profile.chunk_bytes_max = kMiB;
  set_capacity(24 * kMiB);
  EXPECT_EQ(store_until_full(300'000, 1), Room::kDiskFull);
  EXPECT_GE(harness.log().segments().count(), 2U);
  ASSERT_TRUE(seal_all());
  bool woken = false;
  harness.log().when_room(Room::kDiskFull, [&] { woken = true; });
  harness.drain();
  EXPECT_TRUE(tend_until([&] { return harness.log().room(300'000) == Room::kYes; }, 5000));
  EXPECT_TRUE(woken);
}

TEST_F(Reserve, APadTakesNothingThatSealsNeed) {
  fill();
  EXPECT_EQ(store_until_full(500, 1), Room::kDiskFull);
  for (int i = 0; i < 2000; ++i) {
    harness.clock.running += 1100;
    if (harness.log().wants_pad(1000)) harness.log().appender().put_pad();
    ASSERT_TRUE(harness.commit(1000));
    // Somebody flushes again and again: each SEAL is a commit of its own, and so is its PAD.
    if (harness.offer({"more;"}) != Room::kYes && harness.log().appender().staged_chunks() == 0) {
      break;
    }
    ASSERT_TRUE(seal_all());
  }
  EXPECT_EQ(harness.log().appender().staged_chunks(), 0U);
}

TEST_F(Reserve, ARequestThatTakesMoreThanWasSaidIsTakenBack) {
  fill();
  EXPECT_EQ(store_until_full(60'000, 1), Room::kDiskFull);
  Log& log = harness.log();
  const uint64_t end = log.appender().batch_begin_lsn();
  const uint64_t staged = log.appender().staged_bytes();
  StageTarget target{.stage_key = "stage0", .profile = &harness.profile};
  log.appender().begin(1'000'000, {});
  for (int i = 0; i < 40; ++i) log.appender().put(target, std::string(90'000, 'x'));
  EXPECT_EQ(log.room_for_open_request(), Room::kDiskFull);
  log.appender().abort();
  EXPECT_FALSE(log.appender().has_batch());
  EXPECT_EQ(log.appender().batch_begin_lsn(), end);
  EXPECT_EQ(log.appender().staged_bytes(), staged);
  EXPECT_EQ(log.appender().seal_debt(), log.appender().count_seal_debt());
  EXPECT_TRUE(seal_all());
}

TEST_F(Reserve, ALargeRequestGetsASpareOfItsSize) {
  Log& log = harness.log();
  int needed = 0;
  log.on_need([&] { ++needed; });
  EXPECT_EQ(log.room(20 * kMiB), Room::kNotYet);
  EXPECT_EQ(needed, 1);
  log.tend();
  ASSERT_EQ(log.room(20 * kMiB), Room::kYes);
  const uint64_t spare = log.status().disk_bytes;
  EXPECT_EQ(log.room(50 * kMiB), Room::kNotYet);
  bool woken = false;
  log.when_room(Room::kNotYet, [&] { woken = true; });
  EXPECT_FALSE(log.status().full) << "nothing is wrong";
  log.tend();
  EXPECT_TRUE(woken);
  EXPECT_GE(log.status().disk_bytes, spare + 30 * kMiB) << "the spare was made larger";
  EXPECT_EQ(log.room(50 * kMiB), Room::kYes);
}

TEST_F(Reserve, OneThatCannotBeMadeLargerHoldsUpNoOther) {
  Log& log = harness.log();
  EXPECT_EQ(log.room(10 * kMiB), Room::kNotYet);
  log.tend();
  fill();
  EXPECT_EQ(log.room(40 * kMiB), Room::kNotYet);
  log.tend();
  EXPECT_EQ(log.room(40 * kMiB), Room::kDiskFull);
  EXPECT_EQ(log.room(kMiB), Room::kYes);
  EXPECT_EQ(harness.offer({"small;"}), Room::kYes);
  ASSERT_TRUE(harness.commit());
  // Whoever wanted so much has gone.
  log.tend();
  EXPECT_TRUE(tend_until([&] { return !log.status().full; }, 3000));
}

TEST_F(Reserve, DroppingForTheDiskStopsAtASegment) {
  harness.profile.chunk_bytes_max = kMiB;
  set_capacity(24 * kMiB);
  // Cutting a segment that was left to its end may give room once more.
  for (int i = 0; i < 4; ++i, harness.clock.running += 1000) {
    EXPECT_EQ(store_until_full(300'000, 1), Room::kDiskFull);
    ASSERT_TRUE(seal_all());
    harness.log().tend();
  }
  EXPECT_EQ(store_until_full(300'000, 1), Room::kDiskFull);
  const auto queued = harness.log().queue().counts().queued;
  harness.log().drop_for_disk();
  const auto left = harness.log().queue().counts().queued;
  EXPECT_LT(left, queued);
  EXPECT_GT(left, 0U);
  harness.log().drop_for_disk();
  EXPECT_EQ(harness.log().queue().counts().queued, left) << "a segment can go already";
  EXPECT_TRUE(tend_until([&] { return harness.log().room(300'000) == Room::kYes; }, 5000));
}

TEST_F(Reserve, ChunksOfTheNewestSegmentAreNotDroppedInVain) {
  fill();
  EXPECT_EQ(store_until_full(20'000, 1), Room::kDiskFull);
  ASSERT_TRUE(seal_all());
  const auto queued = harness.log().queue().counts().queued;
  harness.log().drop_for_disk();
  EXPECT_EQ(harness.log().queue().counts().queued, queued);
  EXPECT_EQ(harness.registry.total(Metric::kDroppedChunks), 0U);
}

// Kept request by request; LogHarness::commit() compares it after each commit.
TEST_F(Reserve, TheSealDebtIsWhatACountOfAllStagedChunksSays) {
  io::SimulatedRandom random(7);
  Appender& appender = harness.log().appender();
  harness.profile.chunk_bytes_max = 200'000;
  EXPECT_EQ(appender.seal_debt(), kBlockBytes);
  for (int i = 0; i < 3000; ++i) {
    const std::string stage = "stage" + std::to_string(random.below(40));
    if (random.one_in(5)) {
      StageTarget target{.stage_key = stage, .profile = &harness.profile};
      appender.begin(1'000'000, {});
      for (uint64_t n = random.below(5); n > 0; --n) {
        appender.put(target, std::string(random.below(150'000), 'a'));
      }
      if (random.one_in(2)) appender.put_dead_letter(target, "dead");
      EXPECT_GE(appender.seal_debt(), kBlockBytes);
      appender.abort();
    } else {
      harness.append({std::string(1 + random.below(9000), 'r')}, stage);
    }
    if (random.one_in(50)) appender.seal_all(SealReason::kForced);
    ASSERT_EQ(appender.seal_debt(), appender.count_seal_debt());
    if (random.one_in(4)) {
      ASSERT_TRUE(harness.commit());
    }
  }
  EXPECT_GE(harness.registry.total(Metric::kRolls), 2U);
  appender.seal_all(SealReason::kForced);
  EXPECT_EQ(appender.seal_debt(), kBlockBytes);
}

// No sync may follow a failed one on the same file, so another one is made.
TEST(Spare, OneWhoseSyncFailedIsNotUsed) {
  io::SimulatedFileSystem disk;
  io::FaultyFileSystem files(disk);
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  const std::string record(20 * kMiB, 'r');
  EXPECT_EQ(harness.offer({record.substr(4 * kMiB)}), Room::kNotYet);
  harness.log().tend();
  EXPECT_EQ(harness.offer({record}), Room::kNotYet) << "the spare is to be made larger";
  files.set(io::Fault{.call = io::Call::kSync, .path_glob = "*/spare.*"});
  harness.log().tend();
  EXPECT_EQ(files.failed(), 1U);
  for (int i = 0; i < 3; ++i) {
    harness.clock.running += 1000;
    harness.log().tend();
    if (harness.offer({record}) == Room::kYes) break;
  }
  EXPECT_TRUE(harness.commit(1000));
  EXPECT_EQ(harness.log().status().unfinished_bytes, record.size());
  EXPECT_EQ(files.syncs_after_failure(), 0U);
}

}  // namespace
}  // namespace millrace::buffer
