// SPDX-License-Identifier: Apache-2.0
#include "buffer/position_file.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/check.h"
#include "buffer/log_files.h"
#include "io/faulty.h"
#include "io/lossy.h"

namespace millrace::buffer {
namespace {

constexpr const char* kDirectory = "/log";
constexpr uint64_t kLinesOverAStep = 14'000;  // of 80 bytes: more than kPositionStepBytes
constexpr uint64_t kNeededLsn = 7;
constexpr uint64_t kTried = 20'001;

class PositionFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files_.make_directories(kDirectory));
    auto begun = PositionFile::begin(files_, kDirectory, PositionHeader{.uuid = kUuid}, {});
    ASSERT_TRUE(begun);
    position_ = std::move(*begun);
  }

  static QueuedChunk chunk(uint64_t seq, uint64_t lsn) {
    QueuedChunk chunk{.seq = seq};
    chunk.id = ChunkId::make(seq, {seq, seq});
    chunk.attempts = chunk.failures = 1;
    chunk.shares = {Share{.lsn = lsn, .frame_bytes = 64}};
    return chunk;
  }

  // Delivered chunks, of which one in a hundred is needed if only a few are.
  void deliver(uint64_t chunks, bool all_needed = false) {
    for (uint64_t seq = 1; seq <= chunks; ++seq) {
      const bool needed = all_needed || seq % 100 == 0;
      ASSERT_TRUE(position_->finish(Finish::kDelivered, chunk(seq, needed ? kNeededLsn : 1), seq));
    }
  }

  Result<> compact(uint64_t first_lsn = 0) {
    return position_->compact(
        first_lsn,
        [this](const std::vector<Share>& shares) {
          ++looked_at_;
          return shares[0].lsn == kNeededLsn && !segment_gone_;
        },
        [](uint64_t seq) { return seq == kTried; });
  }

  // What a start finds after a power cut.
  LogFiles found() {
    files_.cut_power();
    metrics::Cells cells;
    auto found = survey(files_, kDirectory, cells);
    CHECK(found.has_value() && found->uuid == kUuid);
    return std::move(*found);
  }

  const std::string kUuid = "sixteen bytes :)";
  io::LossyFileSystem files_;
  std::unique_ptr<PositionFile> position_;
  uint64_t looked_at_ = 0;     // lines that were asked about
  bool segment_gone_ = false;  // the one at kNeededLsn
};

TEST_F(PositionFileTest, LinesAreDurableWithTheNextSync) {
  deliver(3);
  ASSERT_TRUE(position_->sync());
  ASSERT_TRUE(position_->finish(Finish::kDropped, chunk(4, 1), 4));
  const PositionFacts facts = found().position;
  EXPECT_EQ(facts.finished.size(), 3U);
  EXPECT_EQ(facts.finished.at(2).id, chunk(2, 1).id);
  EXPECT_EQ(facts.finished.at(2).milliseconds, 2U);
}

TEST_F(PositionFileTest, ARewriteKeepsWhatSegmentsStillNeed) {
  deliver(kLinesOverAStep);
  ASSERT_TRUE(compact());
  const PositionFacts facts = found().position;
  EXPECT_EQ(facts.finished.size(), kLinesOverAStep / 100);
  for (const auto& [seq, line] : facts.finished) {
    EXPECT_EQ(seq % 100, 0U);
    EXPECT_EQ(line.id, chunk(seq, 0).id);
  }
  EXPECT_EQ(facts.invalid_slots, 0U);
  ASSERT_TRUE(facts.header);
  EXPECT_EQ(facts.header->highest_chunk_seq, kLinesOverAStep) << "no number is given out twice";
}

TEST_F(PositionFileTest, ARewriteKeepsTheLatestAttemptOfWhatIsUnfinished) {
  QueuedChunk tried = chunk(kTried, 1);
  for (const uint32_t failures : {1U, 2U, 5U}) {
    tried.failures = failures;
    ASSERT_TRUE(position_->attempt(tried, failures * 1000));
  }
  ASSERT_TRUE(position_->attempt(chunk(kTried + 1, kNeededLsn), 1));
  deliver(kLinesOverAStep);
  ASSERT_TRUE(compact());
  const PositionFacts facts = found().position;
  ASSERT_EQ(facts.attempts.size(), 1U);
  EXPECT_EQ(facts.attempts.at(kTried).attempts, 5U);
  EXPECT_EQ(facts.attempts.at(kTried).milliseconds, 5000U);
}

TEST_F(PositionFileTest, ARewriteJoinsRemovedRangesThatTouch) {
  ASSERT_TRUE(position_->removed(0, 1, 4096, 1));
  ASSERT_TRUE(position_->removed(4096, 1, 8192, 2));
  ASSERT_TRUE(position_->removed(8192, 2, 16384, 3));
  ASSERT_TRUE(position_->removed(8192, 2, 8192, 4));  // its unlink was undone, it was empty then
  ASSERT_TRUE(position_->removed(20480, 2, 24576, 5));
  deliver(kLinesOverAStep);
  ASSERT_TRUE(compact(4096));
  const LogFiles start = found();
  const std::vector<PositionLine>& removed = start.position.removed;
  ASSERT_EQ(removed.size(), 2U);
  EXPECT_EQ(removed[0].chunk_seq, 4096U) << "what lies before the first lsn needs no line";
  EXPECT_EQ(removed[0].removed_end_lsn(), 16384U);
  EXPECT_EQ(removed[0].removed_epoch(), 2U);
  EXPECT_EQ(removed[1].chunk_seq, 20480U);
  EXPECT_EQ(start.position.header->first_lsn, 4096U);
}

TEST_F(PositionFileTest, ARewrittenFileTakesLinesAsBefore) {
  deliver(kLinesOverAStep);
  ASSERT_TRUE(compact());
  ASSERT_TRUE(position_->finish(Finish::kDeadLetter, chunk(kLinesOverAStep + 1, 1), 1));
  ASSERT_TRUE(position_->sync());
  const PositionFacts facts = found().position;
  EXPECT_EQ(facts.finished.size(), kLinesOverAStep / 100 + 1);
  EXPECT_EQ(facts.finished.at(kLinesOverAStep + 1).kind, 'D');
}

TEST_F(PositionFileTest, IsNotRewrittenWhileItIsSmallOrMostlyNeeded) {
  deliver(100);
  ASSERT_TRUE(position_->sync());
  ASSERT_TRUE(compact());
  EXPECT_EQ(found().position.finished.size(), 100U);
  SetUp();
  deliver(kLinesOverAStep, true);
  const uint64_t syncs = files_.syncs();
  ASSERT_TRUE(compact());
  EXPECT_EQ(files_.syncs(), syncs);
}

// Five times a second, and there may be millions of lines.
TEST_F(PositionFileTest, LooksAtItsLinesAgainOnlyWhenThereIsMoreToGain) {
  deliver(kLinesOverAStep, true);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(compact());
  EXPECT_EQ(looked_at_, kLinesOverAStep);
  deliver(kLinesOverAStep / 2);
  ASSERT_TRUE(compact());
  EXPECT_EQ(looked_at_, kLinesOverAStep) << "even if none of them is needed";
  segment_gone_ = true;
  ASSERT_TRUE(position_->removed(0, 1, 4096, 1));
  ASSERT_TRUE(compact());
  EXPECT_EQ(found().position.finished.size(), 0U);
  deliver(kLinesOverAStep);
  ASSERT_TRUE(compact());
  EXPECT_EQ(found().position.finished.size(), 0U);
}

TEST_F(PositionFileTest, AGrowingOneIsRewrittenWhenHalfOfItIsNeeded) {
  deliver(kLinesOverAStep, true);
  ASSERT_TRUE(compact());
  int rewrites = 0;
  files_.watch([&](const io::DiskOperation& operation) {
    if (std::string_view(operation.name) == "rename") ++rewrites;
  });
  for (int i = 0; i < 3; ++i) {
    deliver(kLinesOverAStep / 2);
    ASSERT_TRUE(compact());
  }
  EXPECT_EQ(rewrites, 1);
  EXPECT_EQ(found().position.finished.size(), kLinesOverAStep);
}

// The loop asks for each message; a disk may take seconds.
TEST_F(PositionFileTest, FreeSlotsAreToldWhileTheDiskIsBusy) {
  deliver(3);
  const uint64_t free = position_->free_slots();
  std::atomic<uint64_t> told{0};
  std::thread asking;
  bool told_meanwhile = false;
  files_.watch([&](const io::DiskOperation& operation) {
    if (std::string_view(operation.name) != "fdatasync") return;
    asking = std::thread([&] { told = position_->free_slots(); });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (told == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    told_meanwhile = told != 0;
  });
  ASSERT_TRUE(position_->sync());
  files_.watch(nullptr);
  asking.join();
  EXPECT_TRUE(told_meanwhile);
  EXPECT_EQ(told, free);
}

TEST_F(PositionFileTest, ReservesSlotsForEveryUnfinishedChunk) {
  const uint64_t free = position_->free_slots();
  ASSERT_TRUE(position_->reserve(1));
  EXPECT_EQ(position_->free_slots(), free);
  ASSERT_TRUE(position_->reserve(100'000));
  EXPECT_GE(position_->free_slots(), 2 * 100'000U + 4096);
}

// A start does not read a larger one.
TEST_F(PositionFileTest, GrowsToItsLimitAndNoFurther) {
  const auto reserved = position_->reserve(1ULL << 40);
  ASSERT_FALSE(reserved);
  EXPECT_EQ(reserved.error().kind, ErrorKind::kNoSpace);
  auto file = files_.open(std::string(kDirectory) + "/chunks.pos", io::OpenMode::kRead);
  ASSERT_TRUE(file);
  EXPECT_EQ(*(*file)->size(), kPositionFileBytesMax);
  EXPECT_EQ(position_->free_slots(),
            (kPositionFileBytesMax - kPositionHeaderBytes) / kPositionLineBytes)
      << "so there is room for these, and kNotYet for more";
  EXPECT_TRUE(position_->reserve(6'000'000));
  EXPECT_FALSE(position_->reserve(7'000'000));
  deliver(3);
  EXPECT_TRUE(position_->sync());
}

TEST_F(PositionFileTest, OnAFullDiskNothingIsReservedAndNothingLost) {
  deliver(3);
  files_.set_capacity(kPositionStepBytes);
  const uint64_t free = position_->free_slots();
  const auto reserved = position_->reserve(100'000);
  ASSERT_FALSE(reserved);
  EXPECT_EQ(reserved.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(position_->free_slots(), free);
  ASSERT_TRUE(position_->sync());
  EXPECT_EQ(found().position.finished.size(), 3U);
}

// After a failed sync the kernel may call dirty pages clean: a later success would prove nothing.
TEST_F(PositionFileTest, AfterAFailedSyncAllLinesGoToANewFile) {
  const auto deliver_one = [this](uint64_t seq) {
    EXPECT_TRUE(position_->finish(Finish::kDelivered, chunk(seq, 1), 1));
  };
  deliver_one(1);
  ASSERT_TRUE(position_->sync());
  deliver_one(2);
  files_.fail_syncs(2);
  EXPECT_FALSE(position_->sync());
  EXPECT_FALSE(position_->sync());  // the new file's
  deliver_one(3);
  EXPECT_TRUE(position_->sync());
  files_.cut_power();
  EXPECT_EQ(found().position.finished.size(), 3U);
  const uint64_t syncs = files_.syncs();
  deliver_one(4);
  EXPECT_TRUE(position_->sync());
  EXPECT_EQ(files_.syncs(), syncs + 1);  // of one file again
}

TEST_F(PositionFileTest, ARewriteThatFailsLeavesTheOldFile) {
  deliver(kLinesOverAStep);
  ASSERT_TRUE(position_->sync());
  files_.fail_syncs(1);
  EXPECT_FALSE(compact());
  EXPECT_EQ(found().position.finished.size(), kLinesOverAStep);
}

// On a disk without room for a new file: what a dead process left in the cache is written again.
TEST_F(PositionFileTest, ItIsGoneOnWithInPlace) {
  deliver(3);
  const uint64_t free = position_->free_slots();
  position_.reset();
  files_.set_capacity(UINT64_MAX - *files_.free_bytes(kDirectory));
  const PositionLine elsewhere{.kind = 'C', .chunk_seq = 4, .id = chunk(4, 1).id};
  auto again = PositionFile::go_on(files_, kDirectory, PositionHeader{.uuid = kUuid},
                                   {KeptLine{.line = elsewhere, .shares = {Share{1, 64}}}});
  ASSERT_TRUE(again);
  position_ = std::move(*again);
  EXPECT_EQ(position_->free_slots(), free - 1);
  ASSERT_TRUE(position_->finish(Finish::kDelivered, chunk(5, 1), 5));
  EXPECT_EQ(found().position.finished.size(), 4U) << "the last one was not synced";
}

// Else no segment could go any more, and with it no space come back.
TEST_F(PositionFileTest, OnAFullDiskAllLinesAreWrittenAgainWhereTheyAre) {
  for (const io::Call call : {io::Call::kSync, io::Call::kWrite}) {
    files_.set_capacity(UINT64_MAX);
    io::FaultyFileSystem faulty(files_);
    auto begun = PositionFile::begin(faulty, kDirectory, PositionHeader{.uuid = kUuid}, {});
    ASSERT_TRUE(begun);
    position_ = std::move(*begun);
    deliver(2);
    ASSERT_TRUE(position_->sync());
    files_.set_capacity(UINT64_MAX - *files_.free_bytes(kDirectory));
    const uint64_t free = position_->free_slots();
    if (call == io::Call::kWrite) {
      faulty.set(io::Fault{.call = call, .bytes_first = 50});
      EXPECT_FALSE(position_->finish(Finish::kDelivered, chunk(3, 1), 3));
    } else {
      ASSERT_TRUE(position_->finish(Finish::kDelivered, chunk(3, 1), 3));
      files_.fail_syncs(1);
      EXPECT_FALSE(position_->sync());
    }
    ASSERT_TRUE(position_->finish(Finish::kDelivered, chunk(4, 1), 4));
    ASSERT_TRUE(position_->sync());
    ASSERT_TRUE(position_->finish(Finish::kDelivered, chunk(5, 1), 5));
    ASSERT_TRUE(position_->sync());
    EXPECT_EQ(position_->free_slots(), free - 3);
    EXPECT_EQ(faulty.syncs_after_failure(), 0U);
    const PositionFacts facts = found().position;
    EXPECT_EQ(facts.finished.size(), 5U) << name_of(call);
    EXPECT_EQ(facts.invalid_slots, 0U);
    position_.reset();
  }
}

TEST_F(PositionFileTest, WhatDoesNotFitWhereItIsStaysUndone) {
  deliver(13'056);  // all that the first step has room for
  files_.set_capacity(UINT64_MAX - *files_.free_bytes(kDirectory));
  EXPECT_EQ(position_->free_slots(), 0U);
  EXPECT_FALSE(position_->finish(Finish::kDelivered, chunk(20'000, 1), 1));
  for (int i = 0; i < 3; ++i) {
    const auto synced = position_->sync();
    ASSERT_FALSE(synced);
    EXPECT_EQ(synced.error().kind, ErrorKind::kNoSpace);
    EXPECT_EQ(position_->free_slots(), 0U);
  }
  files_.set_capacity(UINT64_MAX);
  EXPECT_TRUE(position_->sync());
  EXPECT_EQ(found().position.finished.size(), 13'057U);
}

TEST_F(PositionFileTest, OneThatIsNotThereOrTooShortIsNotGoneOnWith) {
  position_.reset();
  for (const bool there : {true, false}) {
    const std::string path = std::string(kDirectory) + "/chunks.pos";
    if (there) {
      files_.put(path, std::string(5000, '\0'));
    } else {
      ASSERT_TRUE(files_.unlink(path));
    }
    const auto again = PositionFile::go_on(files_, kDirectory, PositionHeader{.uuid = kUuid}, {});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::kNoSpace);
  }
}

}  // namespace
}  // namespace millrace::buffer
