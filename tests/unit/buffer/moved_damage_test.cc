// SPDX-License-Identifier: Apache-2.0
// D5, the part about moves: a MOVE group does not hold, and what it was moved from is still there,
// or gone.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/support/sparse_log.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::SparseLog;

class MovedDamage : public ::testing::Test {
 protected:
  MovedDamage() { log::configure(log::Level::kError, log::Format::kText); }
  ~MovedDamage() override { log::configure(log::Level::kInfo, log::Format::kText); }

  // A chunk of two frames that was moved; with `keep_source` the segment it was moved from is
  // there.
  void move(bool keep_source) {
    sparse.start();
    sparse.harness.append({"first;"});
    ASSERT_TRUE(sparse.harness.commit());
    sparse.harness.append({"second;"});
    log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(sparse.harness.commit());
    sparse.fail_all();
    sparse.pass_by(2);
    log().tend();
    sparse.harness.clock.running += SparseLog::kSpillAfterMs;
    log().tend();
    auto batch = log().next_commit();
    ASSERT_EQ(batch->moves.size(), 1U);
    frame_lsns = batch->moves[0].seal.frame_lsns;
    seal_lsn = batch->moves[0].seal_lsn;
    make_durable(*batch);
    log().appender().put_pad();  // proves it: what does not hold of it is damage, not a torn end
    batch = log().next_commit();
    make_durable(*batch);
    const size_t segments = log().segments().count();
    for (int i = 0; i < 3 && !keep_source; ++i) log().tend();
    ASSERT_EQ(log().segments().count() == segments, keep_source);
  }
  void make_durable(Batch& batch) {
    ASSERT_EQ(log().commit(batch), LogWriter::Outcome::kDurable);
    log().completed(batch);
  }
  // Turns a bit of the byte at `lsn` + `offset`.
  void flip(uint64_t lsn, uint64_t offset) {
    const auto segment = log().segments().find(lsn);
    ASSERT_TRUE(segment);
    auto file = sparse.files.open(std::string(SparseLog::kDirectory) + "/" + segment->name,
                                  io::OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    const uint64_t at = kSegmentHeaderBytes + lsn - segment->base_lsn + offset;
    char byte = 0;
    ASSERT_TRUE((*file)->pread(&byte, 1, at));
    byte = static_cast<char>(byte ^ 4);
    ASSERT_TRUE((*file)->pwrite({&byte, 1}, at));
    ASSERT_TRUE((*file)->fdatasync());
  }
  void restart() {
    sparse.harness.stop();
    sparse.start();
  }
  Log& log() { return sparse.log(); }

  static constexpr uint64_t kInPayload = kFrameHeaderBytes + 2;
  static constexpr uint64_t kInHeader = 9;

  SparseLog sparse;
  std::vector<uint64_t> frame_lsns;
  uint64_t seal_lsn = 0;
};

TEST_F(MovedDamage, D5WithItsSourceAPayloadIsReadThere) {
  move(true);
  flip(frame_lsns[1], kInPayload);
  EXPECT_EQ(sparse.deliver_all(), "first;second;");
  EXPECT_EQ(sparse.damaged, 0U);
}

TEST_F(MovedDamage, D5WithItsSourceAPayloadIsReadThereInTheNextLifeToo) {
  move(true);
  flip(frame_lsns[1], kInPayload);
  restart();
  EXPECT_EQ(sparse.deliver_all(), "first;second;");
  EXPECT_EQ(sparse.damaged, 0U);
}

TEST_F(MovedDamage, D5WithItsSourceAFrameHeaderCostsNothing) {
  move(true);
  flip(frame_lsns[0], kInHeader);
  restart();
  EXPECT_GT(sparse.total(Metric::kCorruptBytes), 0U);  // and it is told
  for (int i = 0; i < 3; ++i) log().tend();
  EXPECT_EQ(sparse.deliver_all(), "first;second;");
  EXPECT_EQ(sparse.damaged, 0U);
}

TEST_F(MovedDamage, D5WithItsSourceTheSealCostsNothing) {
  move(true);
  flip(seal_lsn, kInPayload);
  restart();
  for (int i = 0; i < 3; ++i) log().tend();
  EXPECT_EQ(sparse.deliver_all(), "first;second;");
  EXPECT_EQ(sparse.damaged, 0U);
}

TEST_F(MovedDamage, D5WithoutItsSourceThatFrameIsLostAndCounted) {
  move(false);
  flip(frame_lsns[1], kInPayload);
  restart();
  EXPECT_EQ(sparse.deliver_all(), "first;");
  EXPECT_EQ(sparse.damaged, 1U);
}

// Nobody knows its head and key any more: its bytes are in dead/.
TEST_F(MovedDamage, D5WithoutItsSourceAndItsSealItIsADeadLetter) {
  move(false);
  flip(seal_lsn, kInPayload);
  restart();
  EXPECT_EQ(sparse.deliver_all(), "");
  log().tend();
  EXPECT_EQ(sparse.total(Metric::kDeadUndecodable), 1U);
  const std::string dead = std::string(SparseLog::kDirectory) + "/dead";
  std::string kept;
  auto entries = sparse.files.list(dead);
  ASSERT_TRUE(entries);
  for (const io::DirectoryEntry& entry : *entries) {
    if (!entry.name.ends_with(".chunk")) continue;
    kept += *io::read_whole(sparse.files, dead + "/" + entry.name, 1000);
  }
  EXPECT_EQ(kept, "first;second;");
}

// What does not hold is not copied as if it did, and keeps its segment.
TEST_F(MovedDamage, ADamagedChunkIsNotMoved) {
  sparse.start();
  sparse.store("bad;");
  auto chunk = log().queue().take_due();
  ASSERT_TRUE(chunk);
  SealPayload seal;
  ASSERT_TRUE(log().make_reader().read_seal(chunk->seq, chunk->seal_lsn, seal));
  log().queue().give_back(std::move(*chunk));
  sparse.store("good;");
  sparse.fail_all();
  sparse.pass_by(2);
  flip(seal.frame_lsns[0], kInPayload);
  sparse.let_it_move();
  EXPECT_EQ(sparse.total(Metric::kMovedChunks), 1U);
  EXPECT_EQ(log().segments().count(), 2U);
  EXPECT_EQ(sparse.deliver_all(), "good;");
  EXPECT_EQ(sparse.damaged, 1U);
}

}  // namespace
}  // namespace millrace::buffer
