// SPDX-License-Identifier: Apache-2.0
// A start on a disk without a free block: what was proved durable is delivered, the rest waits for
// space, and nothing of it counts before it is written again.

#include <gtest/gtest.h>

#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

class FullDiskStart : public ::testing::Test {
 protected:
  FullDiskStart() { harness.keys = &keys; }

  void store(const std::string& record) {
    harness.append({record});
    ASSERT_TRUE(harness.commit());
  }
  void store_sealed(const std::string& record) {
    store(record);
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
  }
  /// Not one block is free from now on.
  void fill() {
    make_space();
    files.set_capacity(UINT64_MAX - *files.free_bytes("/"));
  }
  void make_space() { files.set_capacity(UINT64_MAX); }
  void start_full() {
    harness.stop();
    const auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {  // a start unlinks them, and has room
      if (!is_spare_name(entry.name)) continue;
      ASSERT_TRUE(files.unlink(path_of(entry.name)));
    }
    fill();
    ASSERT_TRUE(harness.start());
    EXPECT_TRUE(harness.log().starting());
  }
  static std::string path_of(const std::string& name) {
    return std::string(kDirectory) + "/" + name;
  }
  void pass_a_second() { harness.clock.running += LogWriter::kProbeFullEveryMs; }
  std::vector<std::string> segments() {
    std::vector<std::string> names;
    const auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (entry.name.ends_with(".log")) names.push_back(entry.name);
    }
    return names;
  }
  void expect_no_alarm() {
    for (const Metric alarm :
         {Metric::kMissingSegments, Metric::kCorruptBytes, Metric::kDamagedChunks}) {
      EXPECT_EQ(harness.registry.total(alarm), 0U);
    }
  }

  static constexpr const char* kDirectory = "/buffer/worker0/out/buffer";
  KeyTable keys{3'600'000};
  io::SimulatedFileSystem files;
  LogHarness harness{files, kDirectory};
};

TEST_F(FullDiskStart, DeliversWhatIsProvedAndThenAccepts) {
  ASSERT_TRUE(harness.start());
  store_sealed("proved;");
  store("tail;");
  start_full();
  EXPECT_EQ(harness.log().room(10), Room::kRefusing);
  const LogStatus status = harness.log().status();
  EXPECT_TRUE(status.refusing);
  EXPECT_EQ(status.queue.queued, 1U);
  EXPECT_EQ(status.staged_chunks, 1U);
  EXPECT_NE(status.last_error.find("No space left"), std::string::npos);
  harness.log().tend();
  EXPECT_EQ(harness.registry.total(Metric::kRefusingLogs), 1U);
  EXPECT_EQ(harness.drain(), "proved;");
  EXPECT_FALSE(harness.commit());
  make_space();
  EXPECT_FALSE(harness.commit()) << "a second has not passed";
  pass_a_second();
  ASSERT_TRUE(harness.commit());
  EXPECT_FALSE(harness.log().starting());
  EXPECT_EQ(harness.log().room(10), Room::kYes);
  auto tail = harness.take();
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->loaded.bytes, "HEADtail;");
  EXPECT_EQ(tail->loaded.seal.reason, SealReason::kRecovery);
  harness.finish(*tail);
  store_sealed("later;");
  harness.log().tend();
  harness.stop();
  files.cut_power();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "later;");
  expect_no_alarm();
}

// The SEAL is in the last commit, and nothing behind that proves it.
TEST_F(FullDiskStart, AChunkThatIsSealedInTheTailWaits) {
  ASSERT_TRUE(harness.start());
  store_sealed("sealed in the tail;");
  start_full();
  EXPECT_EQ(harness.log().status().queue.queued, 0U);
  EXPECT_EQ(harness.log().status().staged_chunks, 1U);
  make_space();
  ASSERT_TRUE(harness.commit());
  EXPECT_EQ(harness.drain(), "sealed in the tail;");
  harness.log().tend();
  EXPECT_EQ(harness.log().segments().count(), 1U);
  EXPECT_EQ(harness.log().segments().live_bytes(), 0U);
}

TEST_F(FullDiskStart, WhatItDeliversMakesTheSpaceItNeeds) {
  ASSERT_TRUE(harness.start());
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    expected += std::string(900'000, static_cast<char>('a' + i));
    store_sealed(expected.substr(expected.size() - 900'000));
  }
  store("tail;");
  ASSERT_GE(segments().size(), 3U);
  const std::string newest = segments().back();
  start_full();
  harness.log().tend();
  EXPECT_TRUE(harness.drain() == expected);
  pass_a_second();
  ASSERT_TRUE(harness.commit_patiently());
  EXPECT_EQ(harness.drain(), "tail;");
  harness.log().tend();
  EXPECT_EQ(segments().size(), 1U);
  EXPECT_GT(segments().back(), newest);
  EXPECT_EQ(harness.offer({"later;"}), Room::kYes);
  ASSERT_TRUE(harness.commit());
  expect_no_alarm();
}

TEST_F(FullDiskStart, WhatIsDeliveredMeanwhileIsNotSentAgain) {
  ASSERT_TRUE(harness.start());
  store_sealed("proved;");
  store("tail;");
  start_full();
  EXPECT_EQ(harness.drain(), "proved;");
  harness.log().tend();
  harness.stop();
  files.cut_power();
  fill();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "");
  harness.stop();
  make_space();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "tail;");
  expect_no_alarm();
}

// The line of a chunk is in the cache of a process that was killed: relied on, it is on disk first.
TEST_F(FullDiskStart, LinesOfADeadProcessAreOnDiskBeforeASegmentGoes) {
  ASSERT_TRUE(harness.start());
  for (int i = 0; i < 6; ++i) store_sealed(std::string(900'000, 'x'));
  harness.drain();  // no line is synced
  store("tail;");
  start_full();
  harness.stop();
  files.cut_power();
  make_space();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "tail;");
  expect_no_alarm();
}

TEST_F(FullDiskStart, KeysOfTheTailCountWhenItIsDurable) {
  const RequestKey proved{'p'};
  const RequestKey tail{'t'};
  ASSERT_TRUE(harness.start());
  harness.next_key = proved;
  store_sealed("proved;");
  harness.next_key = tail;
  store("tail;");
  KeyTable next_life(3'600'000);
  harness.keys = &next_life;
  start_full();
  EXPECT_TRUE(next_life.is_durable(proved, 1));
  EXPECT_FALSE(next_life.is_durable(tail, 1));
  // It comes again, perhaps to another worker: that waits.
  int told = 0;
  EXPECT_EQ(next_life.claim(tail, 1, harness.clock.running, [&](bool durable) { told += durable; }),
            KeyTable::Claim::kPending);
  make_space();
  EXPECT_EQ(told, 0);
  ASSERT_TRUE(harness.commit());
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(next_life.is_durable(tail, 1));
}

TEST_F(FullDiskStart, TheFirstOfALogIsRefused) {
  files.set_capacity(100'000);
  const auto refused = harness.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kNoSpace);
  make_space();
  ASSERT_TRUE(harness.start());
  store("first;");
}

// Each try is made in an epoch of its own only if it left something behind.
TEST_F(FullDiskStart, WaitingUsesUpNoEpochs) {
  ASSERT_TRUE(harness.start());
  store("tail;");
  start_full();
  for (int i = 0; i < 50; ++i) {
    EXPECT_FALSE(harness.commit());
    pass_a_second();
  }
  make_space();
  ASSERT_TRUE(harness.commit());
  uint32_t epoch = 0;
  uint64_t base_lsn = 0;
  ASSERT_TRUE(parse_segment_name(segments().back(), epoch, base_lsn));
  EXPECT_EQ(epoch, 2U);
}

TEST_F(FullDiskStart, OneThatCanBeStoppedWaitsForNobody) {
  ASSERT_TRUE(harness.start());
  store_sealed("proved;");
  store("tail;");
  start_full();
  EXPECT_FALSE(harness.commit());
  harness.stop();
  make_space();
  ASSERT_TRUE(harness.start());
  EXPECT_FALSE(harness.log().refusing());
  EXPECT_EQ(harness.drain(), "proved;tail;");
}

}  // namespace
}  // namespace millrace::buffer
