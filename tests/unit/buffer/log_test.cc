// SPDX-License-Identifier: Apache-2.0
#include "buffer/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "io/lossy.h"
#include "io/real.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

TEST(Log, AppendsCommitsDeliversAndForgets) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  harness.append({"one;", "two;"});
  ASSERT_TRUE(harness.commit());
  EXPECT_EQ(harness.log().queue().counts().queued, 0U);  // staged, not sealed
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.bytes, "HEADone;two;");
  EXPECT_EQ(taken->loaded.records, 2U);
  EXPECT_EQ(taken->loaded.seal.reason, SealReason::kForced);
  EXPECT_EQ(taken->loaded.seal.open.partition_key, taken->chunk.id.uuid());
  harness.finish(*taken);
  EXPECT_EQ(harness.log().status().unfinished_bytes, 0U);
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "");
}

TEST(Log, SealsAFullChunkAndGoesOnInTheNext) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.chunk_bytes_max = 100;
  ASSERT_TRUE(harness.start());
  const std::string record(30, 'r');
  harness.append({record, record, record, record});
  ASSERT_TRUE(harness.commit());
  auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.seal.body_bytes, 90U);
  EXPECT_EQ(taken->loaded.seal.reason, SealReason::kFull);
  harness.finish(*taken);
  EXPECT_EQ(harness.log().appender().staged_bytes(), 30U);
}

TEST(Log, ARecordLargerThanTheChunkLimitIsAloneInItsChunk) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.chunk_bytes_max = 1000;
  ASSERT_TRUE(harness.start());
  harness.append({"small;", std::string(5000, 'L'), "after;"});
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  std::vector<std::string> bodies;
  while (auto taken = harness.take()) {
    bodies.push_back(taken->loaded.bytes.substr(4));
    harness.finish(*taken);
  }
  EXPECT_EQ(bodies, (std::vector<std::string>{"small;", std::string(5000, 'L'), "after;"}));
}

TEST(Log, ARecordOverSeveralFramesComesBackWhole) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.chunk_bytes_max = 8 << 20;
  ASSERT_TRUE(harness.start());
  std::string large(3 * (1 << 20) + 12345, '\0');
  for (size_t i = 0; i < large.size(); ++i) {
    large[i] = static_cast<char>('a' + i % 23);
  }
  harness.append({"before;", large, "after;"});
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.bytes, "HEADbefore;" + large + "after;");
  EXPECT_EQ(taken->loaded.records, 3U);
  EXPECT_FALSE(taken->loaded.damaged);
  harness.finish(*taken);
}

TEST(Log, AbortLeavesNothingBehind) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.chunk_bytes_max = 100;
  ASSERT_TRUE(harness.start());
  harness.append({"kept;"});
  StageTarget target{.stage_key = "", .profile = &harness.profile};
  StageTarget other{.stage_key = "other", .profile = &harness.profile};
  Appender& appender = harness.log().appender();
  appender.begin(99, {});
  for (int i = 0; i < 20; ++i) {
    appender.put(target, std::string(30, 'x'));  // seals and opens several chunks
  }
  appender.put(other, "y");
  appender.put_dead_letter(other, "z");
  appender.abort();
  EXPECT_EQ(appender.staged_chunks(), 1U);
  EXPECT_EQ(appender.staged_bytes(), 5U);
  harness.append({"and this;"});
  appender.seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  EXPECT_EQ(harness.log().queue().counts().dead_letters, 0U);
  EXPECT_EQ(harness.drain(), "kept;and this;");
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.registry.total(Metric::kCorruptBytes), 0U);
}

TEST(Log, KillKeepsWhatWasCommittedAndSealsIt) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  harness.append({"a;"});
  ASSERT_TRUE(harness.commit());
  harness.append({"b;"});
  ASSERT_TRUE(harness.commit());
  harness.append({"never committed;"});
  harness.stop();
  files.cut_power();
  ASSERT_TRUE(harness.start());
  auto taken = harness.take();
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->loaded.bytes, "HEADa;b;");
  EXPECT_EQ(taken->loaded.seal.reason, SealReason::kRecovery);
  const std::string key = taken->loaded.seal.open.partition_key;
  // Killed before the answer: the same bytes under the same key come again.
  harness.stop();
  ASSERT_TRUE(harness.start());
  auto again = harness.take();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->loaded.bytes, taken->loaded.bytes);
  EXPECT_EQ(again->loaded.seal.open.partition_key, key);
  harness.finish(*again);
}

TEST(Log, RollsOverSegmentsAndRemovesThoseThatAreDone) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.chunk_bytes_max = 1 << 20;
  ASSERT_TRUE(harness.start());
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    const std::string record(400'000, static_cast<char>('a' + i % 26));
    expected += record;
    harness.append({record});
    ASSERT_TRUE(harness.commit());
  }
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  EXPECT_GE(harness.registry.total(Metric::kRolls), 2U);
  harness.stop();
  files.cut_power();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), expected);
  harness.log().tend();
  EXPECT_EQ(harness.log().segments().count(), 1U);
  EXPECT_EQ(harness.log().segments().live_bytes(), 0U);
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.registry.total(Metric::kMissingSegments), 0U);
  EXPECT_EQ(harness.drain(), "");
}

// Sizes of the files below `directory` that are unlinked and still open in this process.
std::vector<uintmax_t> unlinked_and_open(const std::string& directory) {
  std::vector<uintmax_t> sizes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string file = std::filesystem::read_symlink(entry.path(), error).string();
    if (!file.starts_with(directory) || !file.ends_with(" (deleted)")) continue;
    sizes.push_back(std::filesystem::file_size(entry.path()));
  }
  return sizes;
}

TEST(Log, ARemovedSegmentKeepsNoBlocksThoughAReaderHasItOpen) {
  const std::string directory = std::filesystem::canonical(::testing::TempDir()).string() +
                                "/removed_segment." + std::to_string(getpid());
  io::RealFileSystem files;
  {
    LogHarness harness(files, directory);
    ASSERT_TRUE(harness.start());
    ChunkReader reader = harness.log().make_reader();
    LoadedChunk loaded;
    while (harness.registry.total(Metric::kSegmentsRemoved) == 0) {
      harness.append({std::string(90'000, 'r')});
      ASSERT_TRUE(harness.commit());
      while (harness.log().queue().counts().queued > 0) {
        const QueuedChunk chunk = *harness.log().queue().take();
        if (loaded.bytes.empty()) {  // of the first segment alone
          ASSERT_TRUE(reader.read(chunk, loaded));
        }
        harness.log().finish(chunk, Finish::kDelivered);
      }
      harness.log().tend();
    }
    EXPECT_EQ(unlinked_and_open(directory), std::vector<uintmax_t>{kSegmentHeaderBytes});
  }
  std::filesystem::remove_all(directory);
}

TEST(Log, OnADiskThatIsNearlyFullTheNextSegmentIsSmaller) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  // The first segment has 4 MiB, the position file 1 MiB; the next one would have 8 MiB.
  files.set_capacity(10ULL << 20);
  const std::string record(90'000, 'r');
  std::string sent;
  std::string delivered;
  for (int i = 0; i < 300; ++i) {
    sent += record + std::to_string(i);
    harness.append({record + std::to_string(i)});
    ASSERT_TRUE(harness.commit_patiently());
    if (i % 20 == 0) delivered += harness.drain();
  }
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  delivered += harness.drain();
  EXPECT_EQ(delivered, sent);
  EXPECT_GE(harness.registry.total(Metric::kRolls), 4U);
  EXPECT_LE(harness.log().status().disk_bytes, 10ULL << 20);
}

TEST(Log, TheOldestChunkIsDroppedOnRequestAndCounted) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  harness.append({"old;"});
  harness.log().appender().seal_all(SealReason::kForced);
  harness.append({"new;"});
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  EXPECT_TRUE(harness.log().drop_oldest());
  EXPECT_EQ(harness.registry.total(Metric::kDroppedRecords), 1U);
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "new;");
}

TEST(Log, FullAtItsLimitUntilAChunkIsFinished) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.total_limit = 100;
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.log().room(5000), Room::kYes);  // one message may exceed an empty buffer
  harness.append({std::string(90, 'x')});
  harness.log().appender().seal_all(SealReason::kForced);
  ASSERT_TRUE(harness.commit());
  EXPECT_EQ(harness.log().room(20), Room::kFull);
  bool woken = false;
  harness.log().when_room(Room::kFull, [&] { woken = true; });
  harness.drain();
  EXPECT_TRUE(woken);
  EXPECT_EQ(harness.log().room(20), Room::kYes);
}

TEST(Log, ASecondInstanceIsRefused) {
  io::LossyFileSystem files;
  LogHarness first(files);
  LogHarness second(files);
  ASSERT_TRUE(first.start());
  auto refused = second.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kLocked);
}

TEST(Log, AskingForRoomOpensNoChunk) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  StageTarget target{.profile = &harness.profile, .dead_reason = DeadReason::kOversize};
  harness.log().appender().begin(1, {});
  EXPECT_EQ(harness.log().appender().space(target).bytes, 0U);
  harness.log().appender().put_dead_letter(target, "too large");
  harness.log().appender().end();
  EXPECT_EQ(harness.log().appender().staged_chunks(), 0U);
  EXPECT_EQ(harness.log().appender().seal_all(SealReason::kForced), 0U);
  EXPECT_TRUE(harness.commit());
}

TEST(Log, DeadLettersAreWrittenWithTheirReason) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  ASSERT_TRUE(harness.start());
  StageTarget target{.profile = &harness.profile, .dead_reason = DeadReason::kOversize};
  harness.log().appender().begin(1, {});
  harness.log().appender().put_dead_letter(target, "too large");
  harness.log().appender().end();
  ASSERT_TRUE(harness.commit());
  harness.log().tend();
  std::string names;
  auto entries = files.list("/buffer/worker0/out/buffer/dead");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2U);
  auto json = io::read_whole(files, "/buffer/worker0/out/buffer/dead/" + (*entries)[1].name, 4096);
  ASSERT_TRUE(json);
  EXPECT_NE(json->find("\"reason\": \"oversize\""), std::string::npos);
  auto chunk = io::read_whole(files, "/buffer/worker0/out/buffer/dead/" + (*entries)[0].name, 4096);
  EXPECT_EQ(*chunk, "HEADtoo large");
  EXPECT_EQ(harness.registry.total(Metric::kDeadOversize), 1U);
  // Its line may be on disk from here on: so must the files be.
  harness.stop();
  files.cut_power();
  for (const io::DirectoryEntry& entry : *entries) {
    auto kept = io::read_whole(files, "/buffer/worker0/out/buffer/dead/" + entry.name, 4096);
    ASSERT_TRUE(kept) << entry.name;
    EXPECT_EQ(*kept, entry.name.ends_with(".json") ? *json : *chunk);
  }
}

// Each chunk will have a line in the position file: also those whose SEAL is on its way.
TEST(Log, TakesNoMoreChunksThanThePositionFileHasLinesFor) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.records_max = 1;
  ASSERT_TRUE(harness.start());
  const std::vector<std::string> records(1000, "r");
  size_t requests = 0;
  for (; requests < 50 && harness.log().room(2) == Room::kYes; ++requests) harness.append(records);
  ASSERT_LT(requests, 20U);  // of slots there are 13 056 at first
  bool woken = false;
  harness.log().when_room(Room::kNotYet, [&] { woken = true; });
  harness.log().publish_counts();
  harness.log().tend();
  EXPECT_TRUE(woken);
  EXPECT_EQ(harness.log().room(2), Room::kYes);
  ASSERT_TRUE(harness.commit());
  size_t chunks = 0;
  while (auto taken = harness.take()) {
    harness.finish(*taken);
    ++chunks;
  }
  EXPECT_EQ(chunks, requests * records.size());
}

// Else clients would wait without a word of it in the status, whatever overflow_action says.
TEST(Log, APositionFileThatCannotGrowIsAFullDisk) {
  io::LossyFileSystem files;
  LogHarness harness(files);
  harness.profile.records_max = 1;
  ASSERT_TRUE(harness.start());
  const std::vector<std::string> records(1000, "r");
  while (harness.log().room(2) == Room::kYes) harness.append(records);
  harness.log().publish_counts();
  files.set_capacity(1);
  harness.log().tend();
  EXPECT_EQ(harness.log().room(2), Room::kDiskFull);
  harness.log().when_room(Room::kDiskFull, [] {});
  EXPECT_TRUE(harness.log().status().full);
  files.set_capacity(1ULL << 40);
  harness.clock.running += 2000;
  harness.log().tend();
  EXPECT_EQ(harness.log().room(2), Room::kYes);
}

}  // namespace
}  // namespace millrace::buffer
