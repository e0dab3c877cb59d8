// SPDX-License-Identifier: Apache-2.0
// A block that the disk does not give, in a segment that was left: a start goes on without it,
// tells it, and delivers what it can; when the disk gives the block again, it is as if nothing had
// been.

#include <gtest/gtest.h>

#include "base/log.h"
#include "buffer/log_files.h"
#include "buffer/side_file.h"
#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

const std::string kDirectory = "/buffer/worker0/out/buffer";

class BadSector : public ::testing::Test {
 protected:
  // Two segments, with chunks of several commits, all of them sealed.
  void SetUp() override {
    log::configure(log::Level::kError, log::Format::kText);
    disk_.set_reservation_max("spare.", 512 << 10);
    LogHarness harness(disk_);
    ASSERT_TRUE(harness.start());
    for (int i = 0; harness.log().segments().count() < 2; ++i) {
      const auto byte = static_cast<char>('a' + i % 26);
      harness.append({std::string(3000, byte)});
      ASSERT_TRUE(harness.commit());
      harness.append({std::string(2000, byte)});
      harness.log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness.commit());
    }
    harness.log().tend();
    const Segment first = harness.log().segments().all()[0];
    path_ = kDirectory + "/" + first.name;
    blocks_ = first.file_bytes / kBlockBytes;
    for (const Segment& segment : harness.log().segments().all()) {
      newest_ = kDirectory + "/" + segment.name;
    }
    harness.stop();
    const auto entries = disk_.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!is_side_file_name(entry.name)) continue;
      side_files_.push_back(entry.name);
    }
  }
  void TearDown() override { log::configure(log::Level::kInfo, log::Format::kText); }

  void remove_side_files() {
    for (const std::string& name : side_files_) ASSERT_TRUE(disk_.unlink(kDirectory + "/" + name));
  }
  static io::Fault bad_block(const std::string& path, uint64_t block) {
    return io::Fault{.call = io::Call::kRead,
                     .path_glob = path,
                     .times = io::kForEver,
                     .from_offset = block * kBlockBytes,
                     .to_offset = (block + 1) * kBlockBytes};
  }
  std::string undisturbed() {
    io::SimulatedFileSystem copy(disk_.state());
    LogHarness harness(copy);
    EXPECT_TRUE(harness.start());
    return harness.drain();
  }
  // A start with each block of the first segment bad in turn. What a SEAL that was read lists is
  // all there if the block is good again; without it, what was in the block is lost, and told.
  uint64_t start_with_each_bad() {
    const std::string all = undisturbed();
    uint64_t told = 0;
    for (uint64_t block = 0; block < blocks_; ++block) {
      io::SimulatedFileSystem copy(disk_.state());
      io::FaultyFileSystem files(copy);
      LogHarness harness(files);
      files.set(bad_block(path_, block));
      const auto started = harness.start();
      EXPECT_TRUE(started) << block << started.error().message;
      if (!started) return 0;
      if (harness.registry.total(Metric::kCorruptBytes) > 0) ++told;
      EXPECT_LE(harness.registry.total(Metric::kCorruptBytes), 5 * kBlockBytes) << block;
      files.set(std::nullopt);
      const size_t delivered = harness.drain().size();
      EXPECT_LE(delivered, all.size()) << block;
      EXPECT_GE(delivered + 2000, all.size()) << block;
      if (delivered < all.size()) {
        EXPECT_GT(harness.registry.total(Metric::kCorruptBytes), 0U) << block;
      }
      for (int i = 0; i < 3; ++i) harness.log().tend();
    }
    return told;
  }

  io::SimulatedFileSystem disk_;
  std::string path_;    // of the first segment
  std::string newest_;  // path of the newest
  uint64_t blocks_ = 0;
  std::vector<std::string> side_files_;
};

TEST_F(BadSector, InASegmentThatIsReadThroughCostsNoStart) {
  remove_side_files();
  EXPECT_GT(start_with_each_bad(), blocks_ / 2);
}

TEST_F(BadSector, InASegmentWithASideFileCostsNoStart) {
  ASSERT_FALSE(side_files_.empty());
  start_with_each_bad();
}

// What cannot be read holds up its own chunk only, also where it is read ahead.
TEST_F(BadSector, AtADeliveryIsTheTroubleOfItsOwnChunk) {
  io::FaultyFileSystem files(disk_);
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  files.set(bad_block(path_, 40));
  ChunkReader reader = harness.log().make_reader();
  LoadedChunk loaded;
  size_t failed = 0;
  size_t chunks = 0;
  for (; harness.log().queue().counts().due > 0; ++chunks) {
    const QueuedChunk chunk = *harness.log().queue().take_due();
    if (!reader.read(chunk, loaded)) ++failed;
  }
  EXPECT_GT(chunks, 20U);
  EXPECT_EQ(failed, 1U);
}

TEST_F(BadSector, ASegmentThatCouldNotBeReadIsNeverThrownAway) {
  remove_side_files();
  io::FaultyFileSystem files(disk_);
  LogHarness harness(files);
  files.set(io::Fault{.call = io::Call::kRead, .path_glob = path_, .times = io::kForEver});
  ASSERT_TRUE(harness.start());
  files.set(std::nullopt);
  disk_.set_capacity(UINT64_MAX - *disk_.free_bytes("/"));  // full
  harness.drain();
  for (int i = 0; i < 5; ++i, harness.clock.running += 1000) harness.log().tend();
  EXPECT_FALSE(*disk_.exists(path_));
  const auto kept = disk_.list(kDirectory + "/corrupt");
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->size(), 1U);
  EXPECT_EQ(kept->at(0).size, blocks_ * kBlockBytes);
}

TEST_F(BadSector, InTheNewestSegmentTheStartIsRefused) {
  io::FaultyFileSystem files(disk_);
  LogHarness harness(files);
  files.set(bad_block(newest_, 1));
  EXPECT_FALSE(harness.start());
}

}  // namespace
}  // namespace millrace::buffer
