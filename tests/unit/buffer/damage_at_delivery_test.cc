// SPDX-License-Identifier: Apache-2.0
// Bytes that change on disk while the log runs, found when their chunk is read to be sent.

#include <gtest/gtest.h>

#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
constexpr uint64_t kFileBytesMax = 64 << 20;

class DamageAtDelivery : public ::testing::Test {
 protected:
  // A segment with one chunk of two frames, and enough behind it that it is left.
  void SetUp() override {
    harness.profile.chunk_bytes_max = 1 << 20;
    ASSERT_TRUE(harness.start());
    harness.append({"first frame;"});
    ASSERT_TRUE(harness.commit());
    harness.append({"second frame;"});
    seal();
    while (harness.registry.total(Metric::kRolls) == 0) {
      harness.append({std::string(900'000, 'x')});
      seal();
    }
    name = names("").front();
  }
  void seal() {
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
  }
  std::vector<std::string> names(const std::string& below) {
    std::vector<std::string> found;
    const auto entries = files.list(kDirectory + below);
    if (!entries) return found;
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) found.push_back(entry.name);
    }
    return found;
  }
  void flip(const std::string& text) {
    const std::string path = std::string(kDirectory) + "/" + name;
    std::string bytes = *io::read_whole(files, path, kFileBytesMax);
    const size_t at = bytes.find(text);
    ASSERT_NE(at, std::string::npos);
    auto file = files.open(path, io::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->pwrite(std::string(1, static_cast<char>(bytes[at] ^ 1)), at));
  }
  // Everything is delivered, and what is done is removed.
  std::string deliver_all() {
    std::string sent = harness.drain();
    harness.log().tend();
    harness.log().tend();
    return sent.substr(0, sent.find('x'));
  }

  io::SimulatedFileSystem files;
  LogHarness harness{files};
  std::string name;
};

TEST_F(DamageAtDelivery, TheSegmentIsKeptInCorrupt) {
  flip("second frame;");
  EXPECT_EQ(deliver_all(), "first frame;");
  EXPECT_EQ(names("/corrupt"), std::vector<std::string>{name});
  EXPECT_NE(names("").front(), name);
}

TEST_F(DamageAtDelivery, WithoutDamageNothingIs) {
  EXPECT_EQ(deliver_all(), "first frame;second frame;");
  EXPECT_TRUE(names("/corrupt").empty());
  EXPECT_NE(names("").front(), name);
}

TEST_F(DamageAtDelivery, ASealThatDoesNotHoldMarksItToo) {
  auto chunk = *harness.log().queue().take();
  const uint64_t at = kSegmentHeaderBytes + chunk.seal_lsn + kFrameHeaderBytes;
  auto file = files.open(std::string(kDirectory) + "/" + name, io::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->pwrite("?", at));
  LoadedChunk loaded;
  EXPECT_FALSE(harness.log().make_reader().read(chunk, loaded));
  harness.log().note_damage(loaded);
  EXPECT_TRUE(harness.log().segments().find(chunk.seal_lsn)->damaged);
}

TEST_F(DamageAtDelivery, OnANearlyFullDiskItsSpaceCountsMore) {
  flip("second frame;");
  files.set_capacity(UINT64_MAX - *files.free_bytes("/") + (512 << 20));
  EXPECT_EQ(deliver_all(), "first frame;");
  EXPECT_TRUE(names("/corrupt").empty());
  EXPECT_NE(names("").front(), name);
}

}  // namespace
}  // namespace millrace::buffer
