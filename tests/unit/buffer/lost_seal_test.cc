// SPDX-License-Identifier: Apache-2.0
// Damage in a segment that was left takes the end of a chunk with its SEAL, its last frames, or all
// of it. What is seen of it looks whole; the side file knows better, and a start and a view tell.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "buffer/dead_letter_files.h"
#include "buffer/dead_letters.h"
#include "buffer/log_view.h"
#include "buffer/side_file.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LogHarness;
using testing::MemoryFileSystem;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr uint64_t kFileBytesMax = 64 << 20;

class LostSealTest : public ::testing::Test {
 protected:
  // A segment that was left, with a chunk of two commits, and a chunk that is staged still.
  void SetUp() override {
    harness_.profile.chunk_bytes_max = 1 << 20;
    ASSERT_TRUE(harness_.start());
    append("first;", "sealed");
    harness_.append({"second;"}, "sealed");
    harness_.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness_.commit());
    chunk_ = harness_.log().queue().take()->id.uuid();
    append("s1;", "staged");
    append("s2;", "staged");
    while (harness_.registry.total(Metric::kRolls) == 0) {
      append(std::string(900'000, 'x'), "filler");
    }
    harness_.log().tend();
    const auto entries = files_.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (is_side_file_name(entry.name)) side_ = entry.name;
    }
    ASSERT_FALSE(side_.empty());
    segment_ = side_.substr(0, side_.size() - 4) + ".log";
  }
  void append(const std::string& record, const std::string& stage_key) {
    harness_.append({record}, stage_key);
    ASSERT_TRUE(harness_.commit());
  }

  static std::string path(const std::string& name) { return std::string(kDirectory) + "/" + name; }
  // The block in which `text` lies, from `from` on, is zeros now.
  void wipe(const std::string& text, uint64_t from = 0) {
    const std::string bytes = *io::read_whole(files_, path(segment_), kFileBytesMax);
    const size_t at = bytes.find(text);
    ASSERT_NE(at, std::string::npos);
    const uint64_t begin = std::max(at / kBlockBytes * kBlockBytes, from);
    const uint64_t end = (at / kBlockBytes + 1) * kBlockBytes;
    auto file = files_.open(path(segment_), io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->pwrite(std::string(end - begin, '\0'), begin));
  }
  uint64_t offset_of_seal() { return offset_of_frame(true); }
  uint64_t offset_of_frame(bool seal) {
    SideFile side;
    EXPECT_TRUE(decode(*io::read_whole(files_, path(side_), kFileBytesMax), side));
    for (const SideFile::Chunk& chunk : side.chunks) {
      if (chunk.id.uuid() != chunk_) continue;
      return kSegmentHeaderBytes + (seal ? chunk.seal_lsn : chunk.open_lsn) - side.base_lsn;
    }
    return 0;
  }

  // What a view tells of the range in segment_, in its first row.
  std::vector<std::string> costs() {
    const auto view = *LogView::take(files_, kDirectory, true);
    EXPECT_TRUE(view->check_chunks());
    EXPECT_FALSE(view->damages().empty());
    return view->damages().empty() ? std::vector<std::string>() : view->damages()[0].costs;
  }
  // Once more.
  void start() {
    harness_.stop();
    ASSERT_TRUE(harness_.start());
  }
  // The chunk whose first record is `record`, read back.
  LoadedChunk load(const std::string& record) {
    while (auto taken = harness_.take()) {
      if (taken->loaded.bytes.find(record) != std::string::npos) return taken->loaded;
    }
    ADD_FAILURE() << "no chunk with " << record;
    return {};
  }

  MemoryFileSystem files_;
  LogHarness harness_{files_, kDirectory};
  std::string chunk_;
  std::string side_;
  std::string segment_;
};

TEST_F(LostSealTest, TheEndOfAChunkWithItsSeal) {
  wipe("second;");
  EXPECT_THAT(costs(), ElementsAre(HasSubstr("lost SEAL")));
  start();
  const LoadedChunk loaded = load("first;");
  EXPECT_EQ(loaded.records, 1U);
  EXPECT_TRUE(loaded.damaged && loaded.more_missing);
  // So it is told in the lives after this one.
  start();
  EXPECT_TRUE(load("first;").more_missing);
}

TEST_F(LostSealTest, TheSealAloneCostsNothing) {
  wipe("second;", offset_of_seal());
  EXPECT_THAT(costs(), ElementsAre());
  start();
  const LoadedChunk loaded = load("first;");
  EXPECT_EQ(loaded.records, 2U);
  EXPECT_FALSE(loaded.damaged || loaded.more_missing);
}

TEST_F(LostSealTest, TheLastFramesOfAStagedChunk) {
  wipe("s2;");
  EXPECT_THAT(costs(), ElementsAre(HasSubstr("1 of its 2 records")));
  start();
  const LoadedChunk loaded = load("s1;");
  EXPECT_TRUE(loaded.damaged);
  EXPECT_FALSE(loaded.more_missing);
  EXPECT_EQ(loaded.missing_records, 1U);
}

TEST_F(LostSealTest, AllOfAChunk) {
  wipe("first;");
  wipe("second;");
  EXPECT_THAT(costs(), ElementsAre("chunk " + chunk_ + ": all of it"));
  start();
  EXPECT_EQ(harness_.registry.total(Metric::kDamagedChunks), 1U);
}

// Of a chunk that lost OPEN and SEAL the side file tells the id; what is left is a dead letter.
TEST_F(LostSealTest, OpenAndSeal) {
  wipe("first;");
  wipe("second;", offset_of_seal());
  EXPECT_THAT(costs(), ElementsAre(HasSubstr("chunk " + chunk_ + ": perhaps records")));
  start();
  EXPECT_EQ(harness_.log().queue().counts().dead_letters, 1U);
  harness_.log().tend();
  const auto letters = list_dead_letters(files_, kDirectory);
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ(letters->front().id.uuid(), chunk_);
  EXPECT_EQ(letters->front().reason, reason::kUndecodable);
  EXPECT_EQ(harness_.registry.total(Metric::kDamagedChunks), 1U);
  const std::string json = path("dead/" + letters->front().id.hex() + ".json");
  EXPECT_THAT(*io::read_whole(files_, json, kFileBytesMax), HasSubstr("\"more_missing\": true"));
}

// The same if their payloads do not hold. A letter of that id that is whole, head and all, stays.
TEST_F(LostSealTest, OpenAndSealDoNotHold) {
  const auto staged = LogView::take(files_, kDirectory, false);
  LoadedChunk whole;
  for (const auto& [seq, chunk] : (*staged)->chunks()) {
    if (chunk.found.open->id.uuid() != chunk_) continue;
    ASSERT_TRUE((*staged)->load(chunk, whole));
  }
  QueuedChunk given_up{.id = whole.seal.open.id, .give_up = GiveUp::kByHand};
  ASSERT_TRUE(write_dead_letter(files_, kDirectory, given_up, whole).value_or(false));
  for (const uint64_t at : {offset_of_frame(false), offset_of_frame(true)}) {
    auto file = files_.open(path(segment_), io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->pwrite("?", at + kFrameHeaderBytes + 20));
  }
  EXPECT_THAT(costs(),
              ElementsAre(AllOf(HasSubstr(chunk_), HasSubstr("its head and partition key"))));
  start();
  EXPECT_GT(harness_.registry.total(Metric::kCorruptBytes), 0U);
  EXPECT_EQ(harness_.log().queue().counts().dead_letters, 1U);
  harness_.log().tend();
  const auto letters = list_dead_letters(files_, kDirectory);
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ(letters->front().id.uuid(), chunk_);
  EXPECT_EQ(letters->front().reason, reason::kByHand);
  EXPECT_EQ(*read_dead_letter(files_, letters->front()), whole.bytes);
  EXPECT_EQ(files_.list(path("dead"))->size(), 2U);
}

// Its line stays as long as the side file tells of it.
TEST_F(LostSealTest, AllOfAChunkThatWasDelivered) {
  start();
  harness_.finish(*harness_.take());
  harness_.log().tend();
  harness_.stop();
  wipe("first;");
  wipe("second;");
  wipe("s1;");  // or the side file would be taken instead of the segment
  for (int life = 0; life < 3; ++life) {
    const uint64_t told = harness_.registry.total(Metric::kCorruptBytes);
    start();
    EXPECT_GT(harness_.registry.total(Metric::kCorruptBytes), told);
  }
  EXPECT_EQ(harness_.registry.total(Metric::kDamagedChunks), 0U);
}

}  // namespace
}  // namespace millrace::buffer
