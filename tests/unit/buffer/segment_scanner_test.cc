// SPDX-License-Identifier: Apache-2.0
// What a scanner takes for part of a segment, and what it does not: remains of other lives, bytes
// behind a hole of zeros, remains in a commit's padding.

#include "buffer/segment_scanner.h"

#include <gtest/gtest.h>

#include "buffer/group_writer.h"
#include "io/lossy.h"

namespace millrace::buffer {
namespace {

constexpr uint32_t kEpoch = 5;
constexpr uint64_t kEnd = 1 << 20;

class SegmentScannerTest : public ::testing::Test {
 protected:
  SegmentScannerTest() : file_(std::move(*files_.open("/segment", io::OpenMode::kCreate))) {}

  // One commit with a group for each record, at `lsn`, as a process of `epoch` leaves it. The chunk
  // was opened in `chunk_epoch`.
  void write(uint64_t lsn, uint32_t epoch, uint64_t chunk_epoch,
             const std::vector<std::string>& records) {
    Batch batch(pool_, lsn);
    GroupWriter writer(crc_);
    StagedChunk chunk;
    chunk.seq = chunk_epoch << kEpochShift | 1;
    for (const std::string& record : records) {
      writer.begin(batch, GroupType::kAppend, {}, 1'700'000'000);
      writer.put_record(chunk, record);
      writer.end();
    }
    batch.stamp(crc_, epoch);
    std::vector<iovec> content;
    batch.add_content(content);
    ASSERT_TRUE(file_->pwritev(content, kSegmentHeaderBytes + lsn));
  }

  SegmentScanner scanner() { return SegmentScanner(*file_, crc_, 0, kEnd, kEpoch); }

  io::LossyFileSystem files_;
  BlockPool pool_;
  LogCrc crc_ = LogCrc::of("0123456789abcdef");
  std::unique_ptr<io::File> file_;
};

TEST_F(SegmentScannerTest, ReadsGroupByGroup) {
  write(0, kEpoch, kEpoch, {"one", std::string(10'000, 'x')});
  write(16384, kEpoch, kEpoch - 1, {"two"});
  SegmentScanner scanner = this->scanner();
  for (const uint32_t commit_lsn : {0U, 0U, 16384U}) {
    auto group = scanner.next(true);
    ASSERT_TRUE(group && *group);
    EXPECT_EQ((*group)->header.commit_lsn, commit_lsn);
    EXPECT_EQ((*group)->frames.size(), 1U);
    if (scanner.lsn() == 12288) scanner.move_to(16384);
  }
  auto none = scanner.next(true);
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST_F(SegmentScannerTest, GroupsOfAnotherEpochAreNotTaken) {
  write(0, kEpoch, kEpoch, {"ours"});
  write(4096, kEpoch - 1, kEpoch - 1, {"of an earlier life"});
  write(8192, kEpoch + 1, kEpoch, {"of a later life"});
  SegmentScanner scanner = this->scanner();
  ASSERT_TRUE(*scanner.next(true));
  EXPECT_EQ(scanner.lsn(), 4096U);
  EXPECT_FALSE(*scanner.next(true));
  EXPECT_FALSE(*scanner.find_group(4096));
}

TEST_F(SegmentScannerTest, FramesOfALaterEpochAreNotTaken) {
  write(0, kEpoch, kEpoch + 1, {"of a later life"});
  write(4096, kEpoch, 0, {"of none"});
  write(8192, kEpoch, kEpoch - 1, {"of an earlier life, its chunk goes on"});
  SegmentScanner scanner = this->scanner();
  EXPECT_FALSE(*scanner.next(true));
  auto frames = scanner.find_frames(0, kEnd);
  ASSERT_TRUE(frames);
  ASSERT_EQ(frames->size(), 1U);
  EXPECT_EQ((*frames)[0].lsn, 8192 + kGroupHeaderBytes);
}

TEST_F(SegmentScannerTest, FindsWhatStandsBehindZeros) {
  write(512 << 10, kEpoch, kEpoch, {"behind"});
  auto found = scanner().find_group(0);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->lsn, 512U << 10);
}

TEST_F(SegmentScannerTest, RemainsInThePaddingEndTheLog) {
  write(0, kEpoch, kEpoch, {"one"});
  ASSERT_TRUE(file_->pwrite("remains", kSegmentHeaderBytes + 4000));
  EXPECT_FALSE(*scanner().next(true));
}

TEST_F(SegmentScannerTest, APayloadThatDoesNotHoldIsNotTaken) {
  write(0, kEpoch, kEpoch, {"one"});
  ASSERT_TRUE(file_->pwrite("X", kSegmentHeaderBytes + kGroupHeaderBytes + kFrameHeaderBytes));
  EXPECT_TRUE(*scanner().next(false));
  EXPECT_FALSE(*scanner().next(true));
}

}  // namespace
}  // namespace millrace::buffer
