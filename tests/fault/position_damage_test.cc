// SPDX-License-Identifier: Apache-2.0
// Position files that are not what this log wrote there: of another log, of an earlier time, with a
// successor that never took their place. Nothing is lost; what is not known to be delivered comes
// again.

#include "buffer/position_line.h"
#include "tests/fault/golden_log.h"
#include "tests/fault/story.h"
#include "tests/support/sanitized.h"

namespace millrace::fault {
namespace {

constexpr uint64_t kSlower = testing::unless_sanitized(1, 20);

class PositionDamage : public StoryTest {
 protected:
  static std::string text_of(const GoldenLog& log) {
    std::string text(log.position_end(), '\0');
    log.disk().cache(*log.disk().find(log.position())).read(text.data(), text.size(), 0);
    return text;
  }
  static void put(io::DiskState& disk, const std::string& path, std::string_view bytes) {
    if (disk.find(path) != nullptr) disk.unlink(path);
    const io::InodeId inode = disk.create(path);
    disk.write(inode, bytes, 0);
    disk.sync(inode);
    disk.sync_directory(io::directory_of(path));
  }
  size_t lines() const {
    return (text_.size() - buffer::kPositionHeaderBytes) / buffer::kPositionLineBytes;
  }
  Recovered recover(const io::DiskState& disk) {
    ++cases_;
    Recovered result = golden_.recover(disk);
    EXPECT_EQ(result.complaint, "");
    EXPECT_TRUE(result.lost.empty());
    EXPECT_EQ(result.corrupt_bytes + result.missing_segments + result.damaged_chunks, 0U);
    return result;
  }

  const GoldenLog golden_{{.bytes = 512 << 10}};
  const GoldenLog other_{{.seed = 3, .bytes = 512 << 10}};
  const std::string path_ = golden_.position();
  const std::string next_ = path_ + ".next";
  const std::string text_ = text_of(golden_);
  uint64_t cases_ = 0;
};

TEST_F(PositionDamage, F7ASuccessorCutAnywhereCostsNothingAndHelpsWhereItCan) {
  ASSERT_GT(lines(), 3U);
  // In the padding of the header one place is like another.
  const auto step = [](uint64_t at) -> uint64_t { return at > 200 && at < 4000 ? 500 : 11; };
  for (uint64_t bytes = 0; bytes <= text_.size(); bytes += step(bytes) * kSlower) {
    io::DiskState disk = golden_.disk();
    put(disk, next_, text_.substr(0, bytes));
    ASSERT_EQ(recover(disk).repeated, 0U) << "beside it, cut at " << bytes;
    disk.unlink(path_);
    disk.sync_directory(io::directory_of(path_));
    const Recovered instead = recover(disk);
    const uint64_t body = bytes - std::min<uint64_t>(bytes, buffer::kPositionHeaderBytes);
    ASSERT_LE(instead.repeated, lines() - body / buffer::kPositionLineBytes) << "cut at " << bytes;
    if (HasFailure()) FAIL() << "cut at " << bytes;
  }
  std::printf("successors of a position file %lu\n", cases_);
}

TEST_F(PositionDamage, F7T22AFileOfAnotherLogCostsRepeatsOnly) {
  for (const bool as_successor : {false, true}) {
    io::DiskState disk = golden_.disk();
    put(disk, as_successor ? next_ : path_, text_of(other_));
    const Recovered result = recover(disk);
    EXPECT_LE(result.repeated, as_successor ? 0 : lines());
  }
}

// As it was at some moment before.
TEST_F(PositionDamage, T22AnOlderOneCostsTheRepeatsOfWhatItDoesNotKnow) {
  for (size_t known = 0; known <= lines(); ++known) {
    const size_t bytes = buffer::kPositionHeaderBytes + known * buffer::kPositionLineBytes;
    io::DiskState disk = golden_.disk();
    put(disk, path_, text_.substr(0, bytes) + std::string((1 << 20) - bytes, '\0'));
    EXPECT_LE(recover(disk).repeated, lines() - known);
  }
}

TEST_F(PositionDamage, T22LinesTwiceAndInAnyOrderAreTheSameLines) {
  std::string twice = text_.substr(0, buffer::kPositionHeaderBytes);
  for (size_t i = 2 * lines(); i-- > 0;) {
    twice += text_.substr(buffer::kPositionHeaderBytes + i % lines() * buffer::kPositionLineBytes,
                          buffer::kPositionLineBytes);
  }
  io::DiskState disk = golden_.disk();
  put(disk, path_, twice + std::string((1 << 20) - twice.size(), '\0'));
  const Recovered result = recover(disk);
  EXPECT_EQ(result.repeated, 0U);
  EXPECT_FALSE(result.told());
}

}  // namespace
}  // namespace millrace::fault
