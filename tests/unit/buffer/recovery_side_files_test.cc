// SPDX-License-Identifier: Apache-2.0
// A start that takes segments from their side files finds what a scan finds, and reads little.

#include <gtest/gtest.h>

#include "buffer/side_file.h"
#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::testing {
namespace {

const std::string kDirectory = "/buffer/worker0/out/buffer";

/// What a start made of a disk: each queued chunk with its body, and the live bytes.
struct Found {
  std::vector<std::string> chunks;
  uint64_t unfinished_bytes = 0;
  uint64_t next_seq = 0;
};

bool operator==(const Found& a, const Found& b) {
  return a.chunks == b.chunks && a.unfinished_bytes == b.unfinished_bytes &&
         a.next_seq == b.next_seq;
}

class RecoverySideFiles : public ::testing::Test {
 protected:
  /// A log of several segments: chunks finished, queued, staged over all of them.
  void SetUp() override {
    files.set_reservation_max("spare.", 2 << 20);
    LogHarness log(files);
    log.profile.chunk_bytes_max = 1'000'000;
    ASSERT_TRUE(log.start());
    for (int i = 0; i < 120; ++i) {
      log.append({std::string(60'000, static_cast<char>('a' + i % 26)), "second"});
      log.append({std::string(700, 'z')}, "slow");
      ASSERT_TRUE(log.commit());
      if (i % 40 == 20) {
        auto taken = log.take();
        ASSERT_TRUE(taken);
        log.finish(*taken);
      }
    }
    for (int rounds = 0; rounds < 10; ++rounds) log.log().tend();
    ASSERT_GE(side_files().size(), 3U);
  }

  std::vector<std::string> side_files() {
    std::vector<std::string> paths;
    const auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (buffer::is_side_file_name(entry.name)) paths.push_back(kDirectory + "/" + entry.name);
    }
    return paths;
  }

  Found start_on(io::FileSystem& disk) {
    LogHarness log(disk);
    auto started = log.start();
    EXPECT_TRUE(started) << started.error().message;
    Found found;
    found.unfinished_bytes = log.log().status().unfinished_bytes;
    while (auto taken = log.take()) {
      found.chunks.push_back(std::to_string(taken->chunk.seq) + " " + taken->chunk.id.uuid() + " " +
                             std::to_string(taken->loaded.damaged) + taken->loaded.bytes);
    }
    return found;
  }

  Found start_on_copy(bool with_side_files) {
    io::SimulatedFileSystem copy(files.state());
    if (!with_side_files) {
      for (const std::string& path : side_files()) EXPECT_TRUE(copy.unlink(path));
    }
    return start_on(copy);
  }

  io::SimulatedFileSystem files;
};

TEST_F(RecoverySideFiles, TellWhatAScanTells) {
  const Found scanned = start_on_copy(false);
  EXPECT_GT(scanned.chunks.size(), 3U);
  EXPECT_TRUE(start_on_copy(true) == scanned);
}

// The segments that were left are read at their header and at the SEAL or OPEN of each chunk.
TEST_F(RecoverySideFiles, SpareTheReadingOfSegments) {
  const std::string first = side_files().front();
  const std::string segment = first.substr(0, first.size() - 4) + ".log";
  for (const bool with_side_files : {true, false}) {
    io::SimulatedFileSystem copy(files.state());
    if (!with_side_files) {
      ASSERT_TRUE(copy.unlink(first));
    }
    io::FaultyFileSystem faulty(copy);
    // A rule that never strikes counts what fits it.
    faulty.set(io::Fault{.call = io::Call::kRead, .path_glob = segment, .nth = UINT64_MAX});
    LogHarness log(faulty);
    ASSERT_TRUE(log.start());
    const uint64_t reads = faulty.seen();
    if (with_side_files) {
      EXPECT_LE(reads, 6U);
    } else {
      EXPECT_GE(reads, 18U);
    }
  }
}

TEST_F(RecoverySideFiles, AreNotTakenWhenTheirSealIsBad) {
  const Found scanned = start_on_copy(false);
  const std::string path = side_files().front();
  auto bytes = io::read_whole(files, path, 1 << 20);
  ASSERT_TRUE(bytes);
  buffer::SideFile side;
  ASSERT_TRUE(decode(*bytes, side));
  ASSERT_FALSE(side.chunks.empty());
  for (buffer::SideFile::Chunk& chunk : side.chunks) {
    if (chunk.seal_lsn != buffer::kNoLsn) chunk.seal_lsn += 8;
    if (chunk.open_lsn != buffer::kNoLsn) chunk.open_lsn += 8;
  }
  ASSERT_TRUE(io::write_whole(files, path, encode(side)));
  EXPECT_TRUE(start_on_copy(true) == scanned);
}

// A bad sector under one costs no start: the segment is read instead, and the file stays.
TEST_F(RecoverySideFiles, D1OneThatCannotBeReadIsPassedOver) {
  const Found scanned = start_on_copy(false);
  io::SimulatedFileSystem copy(files.state());
  io::FaultyFileSystem faulty(copy);
  faulty.set(io::Fault{.call = io::Call::kRead, .path_glob = "*.idx", .times = UINT64_MAX});
  EXPECT_TRUE(start_on(faulty) == scanned);
  EXPECT_GE(faulty.failed(), 3U);
  faulty.set({});
  for (const std::string& path : side_files()) EXPECT_TRUE(io::read_whole(copy, path, 1 << 20));
}

// Where it is the last that is known of the log, it goes on behind it.
TEST_F(RecoverySideFiles, OneOfASegmentThatWasCutToAnOddSizeCostsNoStart) {
  const std::string path = side_files().back();
  auto bytes = io::read_whole(files, path, 1 << 20);
  ASSERT_TRUE(bytes);
  buffer::SideFile side;
  ASSERT_TRUE(decode(*bytes, side));
  for (const uint64_t behind : {1U, 1000U, (1U << 30) + 7}) {
    io::SimulatedFileSystem copy(files.state());
    side.end_lsn += behind;
    ASSERT_TRUE(io::write_whole(copy, path, encode(side)));
    const std::vector<std::string> chunks = start_on(copy).chunks;
    EXPECT_GE(chunks.size(), 3U);
    EXPECT_TRUE(start_on(copy).chunks == chunks) << "the start after it finds the same";
  }
}

TEST_F(RecoverySideFiles, AreNotTakenForACutSegment) {
  const std::string first = side_files().front();
  const std::string segment = first.substr(0, first.size() - 4) + ".log";
  {
    auto file = files.open(segment, io::OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->truncate(*(*file)->size() - 8192));
  }
  EXPECT_TRUE(start_on_copy(true) == start_on_copy(false));
}

}  // namespace
}  // namespace millrace::testing
