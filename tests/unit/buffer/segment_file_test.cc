// SPDX-License-Identifier: Apache-2.0
#include "buffer/segment_file.h"

#include <gtest/gtest.h>

#include "io/faulty.h"
#include "io/simulated.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kCapacity = (2 << 20) + 3 * kBlockBytes;

class SegmentFileTest : public ::testing::Test {
 protected:
  SegmentFileTest() {
    EXPECT_TRUE(disk_.make_directories("/log"));
    disk_.watch([this](const io::DiskOperation& operation) {
      if (std::string_view(operation.name) == "write") written_ += operation.bytes;
      if (std::string_view(operation.name) == "fdatasync") synced_ = written_;
    });
  }

  io::SimulatedFileSystem disk_;
  io::FaultyFileSystem files_{disk_};
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
};

TEST_F(SegmentFileTest, ReservesASpareWithoutWritingIt) {
  const auto spare = make_spare(files_, "/log", 1, kCapacity, kCapacity);
  ASSERT_TRUE(spare);
  EXPECT_EQ(spare->capacity, kCapacity);
  EXPECT_EQ(*spare->file->size(), kCapacity);
  EXPECT_EQ(written_, 0U);
}

// Blocks that are not there when a commit comes may be missing then.
TEST_F(SegmentFileTest, F3T10WhereBlocksCannotBeReservedZerosAreWrittenAndItIsTold) {
  files_.set(
      io::Fault{.call = io::Call::kAllocate, .errno_value = EOPNOTSUPP, .times = io::kForEver});
  ::testing::internal::CaptureStderr();
  auto spare = make_spare(files_, "/log", 1, kCapacity, kCapacity);
  const std::string told = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(spare);
  EXPECT_EQ(*spare->file->size(), kCapacity);
  EXPECT_EQ(synced_, kCapacity);
  EXPECT_NE(told.find("the file system cannot reserve blocks, zeros are written instead"),
            std::string::npos)
      << told;
  // A commit that needs more gets it in the same way.
  const std::string commit(kCapacity, 'c');
  const iovec part{const_cast<char*>(commit.data()), commit.size()};
  const SegmentHeader header{.uuid = "sixteen bytes :)", .epoch = 1, .output_id = "out"};
  written_ = 0;
  ASSERT_TRUE(publish_segment(files_, "/log", *spare, header, std::span(&part, 1)));
  EXPECT_EQ(spare->capacity, kSegmentHeaderBytes + commit.size());
  EXPECT_EQ(written_, 2 * (kSegmentHeaderBytes + commit.size())) << "zeros, then the commit";
}

TEST_F(SegmentFileTest, ASpareThatCannotBeSyncedIsTakenAway) {
  files_.set(io::Fault{.call = io::Call::kSync});
  EXPECT_FALSE(make_spare(files_, "/log", 1, kCapacity, kCapacity));
  EXPECT_TRUE(files_.list("/log")->empty());
}

}  // namespace
}  // namespace millrace::buffer
