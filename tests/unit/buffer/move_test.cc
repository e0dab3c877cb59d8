// SPDX-License-Identifier: Apache-2.0
// Segments that are kept for little: what is left of them is moved, and they go.

#include <gtest/gtest.h>

#include "tests/support/live_recount.h"
#include "tests/support/sparse_log.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LiveRecount;
using testing::SparseLog;

void expect_no_alarm(const SparseLog& sparse) {
  for (const Metric alarm :
       {Metric::kMissingSegments, Metric::kCorruptBytes, Metric::kDamagedChunks}) {
    EXPECT_EQ(sparse.total(alarm), 0U);
  }
  EXPECT_EQ(sparse.damaged, 0U);
}

void expect_counts_agree(SparseLog& sparse) {
  std::map<uint64_t, uint64_t> counted;
  for (const Segment& segment : sparse.log().segments().all()) {
    if (segment.live_bytes > 0) counted[segment.base_lsn] += segment.live_bytes;
  }
  EXPECT_EQ(counted, LiveRecount::of(sparse.files, SparseLog::kDirectory));
}

// The disk bound of the format: 4 x live + 2 segments + 1 spare.
void expect_bounded(Log& log) {
  const uint64_t bound = 4 * log.segments().live_bytes() + 3 * SparseLog::kSegmentBytes;
  EXPECT_LE(log.status().disk_bytes, bound);
}

class Move : public ::testing::Test {
 protected:
  void SetUp() override { sparse.start(); }
  void TearDown() override { expect_no_alarm(sparse); }

  Log& log() { return sparse.log(); }

  SparseLog sparse;
};

TEST_F(Move, AStuckChunkDoesNotKeepItsSegment) {
  const std::string record(50'000, 's');
  sparse.store(record);
  sparse.fail_all();
  sparse.pass_by(3);
  const uint64_t before = log().segments().disk_bytes();
  sparse.let_it_move();
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 1U);
  EXPECT_GE(sparse.total(Metric::kMovedBytes), record.size());
  EXPECT_LE(log().segments().disk_bytes() + SparseLog::kSegmentBytes / 2, before);
  EXPECT_EQ(log().segments().count(), 1U);
  expect_bounded(log());
  expect_counts_agree(sparse);
  sparse.cut_power_and_start();
  expect_counts_agree(sparse);
  EXPECT_TRUE(sparse.deliver_due() == record);
  log().tend();
  sparse.cut_power_and_start();
  EXPECT_EQ(sparse.deliver_due(), "");
}

TEST_F(Move, NotBeforeItsTimeAndNotWhatIsMostlyNeeded) {
  sparse.store(std::string(300'000, 'm'));  // more than a quarter of its segment
  sparse.fail_all();
  sparse.pass_by(1);
  sparse.store(std::string(20'000, 's'));
  sparse.fail_all();
  sparse.pass_by(1);
  log().tend();
  sparse.harness.clock.running += SparseLog::kSpillAfterMs - 1000;
  for (int i = 0; i < 4; ++i) {
    log().tend();
    EXPECT_TRUE(sparse.harness.commit());
  }
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 0U);
  EXPECT_EQ(log().segments().count(), 3U);
  sparse.let_it_move();
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 1U);
  EXPECT_EQ(log().segments().count(), 2U);
  EXPECT_TRUE(sparse.deliver_all() == std::string(300'000, 'm') + std::string(20'000, 's'));
}

// Q5 in small: however much passes by, file, memory and what a start reads stay flat.
TEST_F(Move, Q5TheDiskStaysBoundedBehindStuckChunks) {
  for (const size_t live_share : {size_t{1}, size_t{60}}) {
    const std::string stuck(SparseLog::kSegmentBytes * live_share / 200, 's');  // two a segment
    size_t chunks = 0;
    for (int segment = 0; segment < 12; ++segment) {
      for (int i = 0; i < 2; ++i, ++chunks) {
        sparse.store(stuck);
        sparse.fail_all();
      }
      sparse.pass_by(1);
      sparse.let_it_move();
      expect_bounded(log());
      expect_counts_agree(sparse);
    }
    if (live_share == 1) {
      EXPECT_GT(sparse.total(Metric::kMovedChunks), 0U);
      EXPECT_LE(log().segments().count(), 2U);
    }
    const std::string all = sparse.deliver_all();
    EXPECT_EQ(all.size(), chunks * stuck.size());
    sparse.let_it_move();
    EXPECT_EQ(log().segments().count(), 1U);
  }
}

TEST_F(Move, WhatIsStagedIsSealedFirst) {
  sparse.harness.append({"staged;"}, "lazy");
  EXPECT_TRUE(sparse.harness.commit());
  // Sealed by what is passed by itself: the staged chunk stays staged.
  while (sparse.total(Metric::kRolls) < 2) {
    sparse.harness.append({std::string(390'000, 'p')});
    EXPECT_TRUE(sparse.harness.commit());
    sparse.deliver_due();
    log().tend();
  }
  EXPECT_EQ(log().appender().staged_chunks(), 1U);
  sparse.let_it_move();
  EXPECT_EQ(log().appender().staged_chunks(), 0U);
  EXPECT_EQ(log().segments().count(), 1U);
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 1U);
  EXPECT_EQ(sparse.deliver_due(), "staged;");
  EXPECT_EQ(sparse.reasons.back(), SealReason::kReclaim);
}

TEST(MoveInSlices, ALargeChunkIsMovedInSlices) {
  SparseLog sparse;
  const std::string body = sparse.store_in_many_segments();
  sparse.let_it_move();
  EXPECT_GE(sparse.total(Metric::kMovedChunks), 3U);
  EXPECT_LE(sparse.log().segments().count(), 2U);
  expect_bounded(sparse.log());
  expect_counts_agree(sparse);
  sparse.cut_power_and_start();
  expect_counts_agree(sparse);
  EXPECT_TRUE(sparse.deliver_due() == body);
  expect_no_alarm(sparse);
}

// Copies of it lie in many segments, with the SEAL of each slice; their side files tell of the last
// SEAL only.
TEST(MoveInSlices, AStartAmidThemCountsRight) {
  uint64_t moved = 0;
  for (int steps = 0; steps < 40; ++steps) {
    SparseLog sparse;
    const std::string body = sparse.store_in_many_segments();
    sparse.let_it_move(steps);
    const uint64_t rolls = sparse.total(Metric::kRolls);
    while (sparse.total(Metric::kRolls) == rolls) {
      sparse.store(std::string(100'000, 'p'));
      sparse.deliver_due();
    }
    sparse.log().tend();  // writes the side file
    moved = sparse.total(Metric::kMovedChunks);
    sparse.cut_power_and_start();
    expect_counts_agree(sparse);
    sparse.let_it_move();
    expect_counts_agree(sparse);
    expect_bounded(sparse.log());
    EXPECT_TRUE(sparse.deliver_all() == body) << "after " << steps << " rounds";
    for (int i = 0; i < 3; ++i) sparse.log().tend();
    EXPECT_EQ(sparse.log().segments().count(), 1U);
    expect_no_alarm(sparse);
  }
  EXPECT_GE(moved, 20U);
}

// The segment it was moved from stays, for another chunk in it is in flight: the copy there must
// not come back when the one that was delivered has gone, and with it, but for that, the line.
TEST_F(Move, TheLineOfAMovedChunkOutlivesItsOldCopies) {
  sparse.store("in flight;");
  auto held = log().queue().take_due();
  sparse.store("moved;");
  sparse.fail_all();
  sparse.pass_by(2);
  sparse.let_it_move();
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 1U);
  EXPECT_EQ(sparse.deliver_all(), "moved;");
  sparse.harness.profile.seal_each_request = true;
  for (int i = 0; i < 14'000; ++i) {  // until the position file is rewritten
    sparse.harness.append({"."});
    if (i % 1000 != 999) continue;
    ASSERT_TRUE(sparse.harness.commit());
    sparse.deliver_due();
  }
  sparse.pass_by(2);
  for (int i = 0; i < 3; ++i) log().tend();
  EXPECT_EQ(log().segments().count(), 2U);
  sparse.cut_power_and_start();
  EXPECT_EQ(sparse.deliver_due(), "in flight;");
}

// The loop's side by hand: what is laid out and when.
class MoveLaidOut : public Move {
 protected:
  // A load waits for the loop.
  void SetUp() override {
    Move::SetUp();
    sparse.store("stuck;");
    sparse.fail_all();
    sparse.pass_by(2);
    log().tend();
    sparse.harness.clock.running += SparseLog::kSpillAfterMs;
    log().tend();
    ASSERT_EQ(log().queue().counts().in_flight, 1U);
  }
  std::unique_ptr<Batch> next() {
    auto batch = log().next_commit();
    CHECK(batch != nullptr);
    return batch;
  }
  void make_durable(Batch& batch) {
    ASSERT_EQ(log().commit(batch), LogWriter::Outcome::kDurable);
    log().completed(batch);
  }
};

TEST_F(MoveLaidOut, RequestsGoFirst) {
  sparse.harness.append({"request;"});
  auto batch = next();
  EXPECT_EQ(batch->requests.size(), 1U);
  EXPECT_TRUE(batch->moves.empty());
  make_durable(*batch);
  // Not for ever: where requests never cease it goes along behind them.
  sparse.harness.clock.running += MoveSlot::kPatienceMs;
  sparse.harness.append({"another;"});
  batch = next();
  EXPECT_EQ(batch->requests.size(), 1U);
  ASSERT_EQ(batch->moves.size(), 1U);
  GroupHeader first;
  batch->stamp(LogCrc{}, 1);
  ASSERT_TRUE(decode({batch->group_headers.front(), kGroupHeaderBytes}, LogCrc{}, first));
  EXPECT_EQ(first.type, GroupType::kAppend);
  ASSERT_TRUE(decode({batch->group_headers.back(), kGroupHeaderBytes}, LogCrc{}, first));
  EXPECT_EQ(first.type, GroupType::kMove);
  make_durable(*batch);
  EXPECT_EQ(sparse.deliver_all(), "stuck;");
}

TEST_F(MoveLaidOut, UntilItIsDurableTheOldCopyCounts) {
  auto batch = next();
  ASSERT_EQ(batch->moves.size(), 1U);
  for (int i = 0; i < 5; ++i) log().tend();
  batch.reset();
  sparse.cut_power_and_start();
  EXPECT_EQ(sparse.deliver_due(), "stuck;");
}

// The move is in the last commit, which nothing proves, and there is no room to write it again.
TEST_F(MoveLaidOut, InTheTailOfAFullDiskTheOldCopyStays) {
  auto batch = next();
  ASSERT_EQ(batch->moves.size(), 1U);
  ASSERT_EQ(log().commit(*batch), LogWriter::Outcome::kDurable);
  batch.reset();
  sparse.harness.stop();
  sparse.files.set_capacity(0, true);
  sparse.start();
  ASSERT_TRUE(log().starting());
  const size_t segments = log().segments().count();
  ASSERT_GE(segments, 2U);
  for (int i = 0; i < 5; ++i) log().tend();
  EXPECT_EQ(log().segments().count(), segments);
  sparse.files.set_capacity(UINT64_MAX);
  sparse.harness.clock.running += LogWriter::kProbeFullEveryMs;
  ASSERT_TRUE(sparse.harness.commit());
  EXPECT_EQ(sparse.deliver_due(), "stuck;");
  for (int i = 0; i < 5; ++i) log().tend();
  EXPECT_EQ(log().segments().count(), 1U);
}

TEST_F(MoveLaidOut, WhatNobodyTakesGoesBackToTheQueue) {
  EXPECT_EQ(log().queue().counts().queued, 0U);
  sparse.harness.clock.running += MoveSlot::kTakenBackMs;
  log().tend();
  EXPECT_EQ(log().queue().counts().queued, 1U);
  EXPECT_EQ(sparse.deliver_all(), "stuck;");
}

// A disk that refuses keeps no chunk from being delivered, and what was delivered meanwhile does
// not come back with the copies that reach the disk later.
TEST_F(MoveLaidOut, ARefusedMoveHoldsNothingUp) {
  auto batch = next();
  ASSERT_EQ(batch->moves.size(), 1U);
  sparse.files.fail_syncs(1000);
  EXPECT_EQ(log().commit(*batch), LogWriter::Outcome::kRefusing);
  EXPECT_EQ(sparse.deliver_all(), "stuck;");
  sparse.files.fail_syncs(0);
  sparse.harness.clock.running += LogWriter::kProbeEveryMs;
  make_durable(*batch);
  EXPECT_EQ(log().segments().live_bytes(), 0U);
  for (int i = 0; i < 5; ++i) {
    sparse.harness.clock.running += 1000;
    log().tend();
  }
  sparse.cut_power_and_start();
  EXPECT_EQ(sparse.deliver_due(), "");
}

TEST_F(MoveLaidOut, AFailedCommitOfItIsWrittenElsewhere) {
  auto batch = next();
  sparse.files.fail_syncs(1);
  make_durable(*batch);
  EXPECT_EQ(sparse.total(Metric::kFailOvers), 1U);
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 1U);
  expect_counts_agree(sparse);
  for (int i = 0; i < 5; ++i) log().tend();
  EXPECT_EQ(log().segments().count(), 1U);
  sparse.cut_power_and_start();
  EXPECT_EQ(sparse.deliver_due(), "stuck;");
}

}  // namespace
}  // namespace millrace::buffer
