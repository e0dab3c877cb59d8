// SPDX-License-Identifier: Apache-2.0
#include "buffer/side_file.h"

#include <gtest/gtest.h>

#include "buffer/side_file_set.h"
#include "io/lossy.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

const std::string kUuid = "uuid of the log.";

SideFile example() {
  SideFile side{.uuid = kUuid, .base_lsn = 8192, .end_lsn = 65536, .epoch = 3};
  side.chunks.push_back(SideFile::Chunk{.seq = 1, .open_lsn = 8256, .seal_lsn = 9000});
  side.chunks.push_back(
      SideFile::Chunk{.seq = 2, .frame_bytes = 700, .frames = {{9100, 4, 5, 6, 7}}});
  for (char c = 'a'; c < 'f'; ++c) {
    RequestKey key;
    key.fill(c);
    side.keys.push_back(key);
  }
  return side;
}

TEST(SideFile, ReadsAsItWasWritten) {
  const std::string bytes = encode(example());
  SideFile side;
  ASSERT_TRUE(decode(bytes, side));
  EXPECT_EQ(encode(side), bytes);
  EXPECT_EQ(side.uuid, kUuid);
  EXPECT_EQ(side.end_lsn, 65536U);
  EXPECT_EQ(side.chunks[1].frames[0].records, 6U);
  EXPECT_EQ(side.keys, example().keys);
}

// A4 and F7: cut at each byte, each bit flipped.
TEST(SideFile, DamageIsAlwaysSeen) {
  const std::string bytes = encode(example());
  SideFile side;
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(bytes.substr(0, size), side)) << size;
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode(flipped, side)) << bit;
  }
}

TEST(SideFile, HasANameOfItsOwn) {
  const std::string name = side_file_name(0x1f, 0x2000);
  EXPECT_EQ(name, "seg.0000001f.0000000000002000.idx");
  EXPECT_TRUE(is_side_file_name(name));
  EXPECT_FALSE(is_side_file_name("." + name + ".tmp"));
  EXPECT_TRUE(is_unfinished_side_file_name("." + name + ".tmp"));
  EXPECT_FALSE(is_side_file_name("seg.0000001f.0000000000002000.log"));
  EXPECT_FALSE(is_side_file_name("x.idx"));
}

class SideFiles : public ::testing::Test {
 protected:
  static constexpr uint64_t kWindowMs = 3'600'000;
  static constexpr const char* kDirectory = "/log";

  void SetUp() override { ASSERT_TRUE(files.make_directories(kDirectory)); }
  SideFileSet::Known known(uint64_t number, size_t keys, uint64_t age_ms) {
    return {
        .base_lsn = number * 4096, .epoch = 1, .keys = keys, .since_ms = clock.running - age_ms};
  }
  /// With a file for each.
  SideFileSet set_of(const std::vector<SideFileSet::Known>& found, uint64_t window_ms = kWindowMs) {
    for (const SideFileSet::Known& one : found) {
      EXPECT_TRUE(io::write_whole(files, path(one), "x"));
    }
    return SideFileSet({files, clock, random}, kDirectory, kUuid, window_ms, found);
  }
  std::string path(const SideFileSet::Known& one) const {
    return std::string(kDirectory) + "/" + side_file_name(one.epoch, one.base_lsn);
  }
  bool is_there(const SideFileSet::Known& one) { return *files.exists(path(one)); }

  io::LossyFileSystem files;
  testing::ScriptedClock clock;
  testing::ScriptedRandom random;
  SegmentSet segments;
};

TEST_F(SideFiles, StayForTheWindow) {
  const auto young = known(2, 1, 1000), old = known(1, 1, kWindowMs), empty = known(3, 0, 0);
  SideFileSet set = set_of({old, young, empty});
  set.tend(segments);
  EXPECT_FALSE(is_there(old));
  EXPECT_TRUE(is_there(young));
  EXPECT_FALSE(is_there(empty));
  clock.running += kWindowMs;
  set.tend(segments);
  EXPECT_FALSE(is_there(young));
  EXPECT_EQ(set.count(), 0U);
}

TEST_F(SideFiles, StayWithTheirSegment) {
  const auto old = known(1, 1, kWindowMs);
  SideFileSet set = set_of({old});
  segments.add(Segment{.base_lsn = old.base_lsn, .epoch = old.epoch, .name = "s"});
  set.tend(segments);
  EXPECT_TRUE(is_there(old));
}

TEST_F(SideFiles, GoWhenNewerKeysFillTheTable) {
  const auto first = known(1, 10, 0), second = known(2, 10, 0);
  const auto full = known(3, KeyTable::kEntriesMax - 5, 0);
  SideFileSet set = set_of({first, second, full});
  set.tend(segments);
  EXPECT_FALSE(is_there(first));
  EXPECT_TRUE(is_there(second));  // some of its keys are still known
  EXPECT_TRUE(is_there(full));
}

TEST_F(SideFiles, GoWithTheirSegmentWhenNoKeysAreKept) {
  const auto one = known(1, 10, 0);
  SideFileSet set = set_of({one}, 0);
  set.tend(segments);
  EXPECT_FALSE(is_there(one));
}

}  // namespace
}  // namespace millrace::buffer
