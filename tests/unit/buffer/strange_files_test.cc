// SPDX-License-Identifier: Apache-2.0
// What may lie in a log's directory and is not what this log wrote there; and the bound of what is
// staged.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/log_crcs.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;
using testing::MemoryFileSystem;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr uint64_t kFileBytesMax = 64 << 20;

std::vector<std::string> names_in(io::FileSystem& files, const std::string& directory,
                                  const std::string& end) {
  std::vector<std::string> names;
  const auto entries = files.list(directory);
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.name.ends_with(end)) names.push_back(entry.name);
  }
  return names;
}

std::string content(io::FileSystem& files, const std::string& path) {
  return *io::read_whole(files, path, kFileBytesMax);
}

std::string segment_path(io::FileSystem& files) {
  const auto names = names_in(files, kDirectory, ".log");
  CHECK(!names.empty());
  return std::string(kDirectory) + "/" + names.front();
}

TEST(StrangeFiles, ASegmentOfAnotherLogIsMovedAside) {
  MemoryFileSystem others;
  LogHarness other(others, kDirectory);
  other.random.values = {1, 2, 3, 4, 5, 6, 7, 8};  // another uuid
  ASSERT_TRUE(other.start());
  other.append({"not ours;"});
  ASSERT_TRUE(other.commit());
  other.stop();

  MemoryFileSystem files;
  LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  harness.append({"ours;"});
  ASSERT_TRUE(harness.commit());
  harness.stop();
  const std::string name = "seg.00000007.0000000000100000.log";
  files.put(std::string(kDirectory) + "/" + name, content(others, segment_path(others)));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "ours;");
  EXPECT_TRUE(*files.exists(std::string(kDirectory) + "/corrupt/" + name));
}

TEST(StrangeFiles, ASegmentOfANewerVersionIsNotTouched) {
  MemoryFileSystem files;
  LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  harness.append({"one;"});
  ASSERT_TRUE(harness.commit());
  harness.stop();
  const std::string path = segment_path(files);
  const std::string before = content(files, path);
  std::string newer = before;
  store_le<uint16_t>(newer.data() + 10, 2);
  testing::forge_segment_header(newer, LogCrc::of(newer.substr(16, 16)));
  files.put(path, newer);
  const auto started = harness.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("newer version"), std::string::npos);
  EXPECT_TRUE(content(files, path) == newer);
  files.put(path, before);
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "one;");
}

// Nobody knows the head and the key of a chunk whose OPEN the disk lost.
TEST(StrangeFiles, AChunkWithoutItsOpeningIsADeadLetter) {
  MemoryFileSystem files;
  LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  for (const char* record : {"one;", "two;", "three;"}) {
    harness.append({record});
    ASSERT_TRUE(harness.commit());
  }
  harness.stop();
  const std::string path = segment_path(files);
  std::string damaged = content(files, path);
  damaged.replace(damaged.find("HEAD"), 4, "TAIL");
  files.put(path, damaged);

  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.log().queue().counts().queued, 0U);
  harness.log().tend();
  EXPECT_EQ(harness.registry.total(Metric::kDeadUndecodable), 1U);
  const std::string dead = std::string(kDirectory) + "/dead";
  const auto told = names_in(files, dead, ".json");
  ASSERT_EQ(told.size(), 1U);
  const auto json = nlohmann::json::parse(content(files, dead + "/" + told[0]));
  EXPECT_EQ(json.at("reason"), "undecodable");
  const std::string kept = content(files, dead + "/" + names_in(files, dead, ".chunk").at(0));
  EXPECT_EQ(kept, "one;two;three;");
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.log().queue().counts().dead_letters, 0U) << "once is enough";
}

// A disk on which nothing can be put into dead/ while it is full.
class FullDisk : public MemoryFileSystem {
 public:
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    if (full && path.find("/dead/") != std::string::npos) {
      return fail(ErrorKind::kNoSpace, path + ": no space");
    }
    return MemoryFileSystem::open(path, mode);
  }
  bool full = true;
};

TEST(DeadLetter, StaysInTheBufferUntilThereIsRoomForIt) {
  FullDisk files;
  LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  harness.append({"one;"});
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  QueuedChunk chunk = *harness.log().queue().take();
  chunk.give_up = GiveUp::kRefused;
  harness.log().queue().give_up(chunk);
  harness.log().tend();
  EXPECT_EQ(harness.log().queue().counts().dead_letters, 1U);
  EXPECT_EQ(harness.registry.total(Metric::kDeadRefused), 0U);
  EXPECT_EQ(harness.log().status().unfinished_bytes, 4U);
  files.full = false;
  harness.log().tend();
  EXPECT_EQ(harness.log().queue().counts().dead_letters, 1U);  // not asked at every turn
  harness.clock.running += 2000;
  harness.log().tend();
  EXPECT_EQ(harness.log().queue().counts().dead_letters, 0U);
  EXPECT_EQ(harness.registry.total(Metric::kDeadRefused), 1U);
  EXPECT_EQ(harness.log().status().unfinished_bytes, 0U);
  EXPECT_EQ(content(files, std::string(kDirectory) + "/dead/" + chunk.id.hex() + ".chunk"),
            "HEADone;");
}

// Tags make stage keys: whoever sends many of them must not fill the memory.
TEST(Staging, OfTooManyChunksTheOldestIsSealed) {
  MemoryFileSystem files;
  LogHarness harness(files, kDirectory);
  ASSERT_TRUE(harness.start());
  for (size_t i = 0; i < Appender::kStagedChunksMax + 3; ++i) {
    harness.clock.running += 1;
    // Not in the order of their keys.
    harness.append({std::to_string(i) + ";"}, std::to_string(i * 7919 % 10'007));
    ASSERT_LE(harness.log().appender().staged_chunks(), Appender::kStagedChunksMax);
  }
  ASSERT_TRUE(harness.commit());
  EXPECT_EQ(harness.log().appender().staged_chunks(), Appender::kStagedChunksMax);
  EXPECT_EQ(harness.drain(), "0;1;2;");
}

}  // namespace
}  // namespace millrace::buffer
