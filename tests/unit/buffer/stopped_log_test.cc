// SPDX-License-Identifier: Apache-2.0
// A chunk is queued again or given up by a tool, and the machine loses power at each operation of
// that: the chunk is never lost, and every delivery has the bytes it had.

#include "buffer/stopped_log.h"

#include <gtest/gtest.h>

#include "buffer/dead_letter_files.h"
#include "buffer/log_view.h"
#include "io/faulty.h"
#include "io/lossy.h"
#include "tests/support/filtered_files.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using testing::LogHarness;
using testing::ScriptedClock;
using testing::ScriptedRandom;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";

/// The disk until a number of syncs and changes of names were made; afterwards each fails.
class FailingFiles : public testing::FilteredFiles {
 public:
  FailingFiles(io::FileSystem& files, int left) : FilteredFiles(files), left_(left) {}

  bool failed() const { return left_ < 0; }
  std::optional<Result<>> instead(testing::Change change) override {
    if (change != testing::Change::kSync && change != testing::Change::kName) return {};
    if (left_ >= 0 && --left_ >= 0) return {};
    return Result<>(fail(ErrorKind::kIo, "the power is gone"));
  }

 private:
  int left_;
};

class StoppedLogTest : public ::testing::Test {
 protected:
  // A queued chunk "kept;" and one to be worked on.
  void prepare(io::LossyFileSystem& files) {
    LogHarness harness(files, kDirectory);
    ASSERT_TRUE(harness.start());
    for (const char* record : {"kept;", "moved;"}) {
      harness.append({record});
      harness.log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness.commit());
    }
    harness.stop();
  }
  io::Io io(io::FileSystem& files) { return io::Io{files, clock_, random_}; }

  Result<> give_up(io::FileSystem& files) {
    auto log = StoppedLog::open(io(files), kDirectory);
    if (!log) return tl::unexpected(log.error());
    LoadedChunk written;
    for (const QueuedChunk& chunk : (*log)->chunks()) {
      if (chunk.body_bytes == 6) return (*log)->give_up(chunk, "by hand", written);
    }
    return {};
  }
  // As the tool does: what is queued already is not queued again; the files go last.
  Result<> requeue(io::FileSystem& files) {
    auto letters = list_dead_letters(files, kDirectory);
    if (!letters) return tl::unexpected(letters.error());
    for (const DeadLetterFile& letter : *letters) {
      auto bytes = read_dead_letter(files, letter);
      if (!bytes) return tl::unexpected(bytes.error());
      auto log = StoppedLog::open(io(files), kDirectory);
      if (!log) return tl::unexpected(log.error());
      bool queued = false;
      for (const QueuedChunk& chunk : (*log)->chunks()) queued = queued || chunk.id == letter.id;
      OpenPayload open;
      open.id = letter.id;
      open.created_us = letter.created_us;
      open.payload_format = letter.payload_format;
      open.head = "HEAD";
      open.partition_key = letter.partition_key;
      if (!queued) (*log)->add(open, {std::string_view(*bytes).substr(4)});
      if (auto committed = (*log)->commit(); !committed) return committed;
      if (auto gone = remove_dead_letter(files, letter); !gone) return gone;
    }
    return {};
  }
  // What a start delivers, by id.
  std::multimap<std::string, std::string> deliveries(io::FileSystem& files) {
    LogHarness harness(files, kDirectory);
    EXPECT_TRUE(harness.start());
    std::multimap<std::string, std::string> found;
    while (auto taken = harness.take()) {
      EXPECT_EQ(taken->loaded.seal.open.partition_key, taken->chunk.id.uuid());
      found.emplace(taken->chunk.id.hex(), taken->loaded.bytes);
      harness.finish(*taken);
    }
    EXPECT_EQ(harness.registry.total(metrics::Metric::kCorruptBytes), 0U);
    EXPECT_EQ(harness.registry.total(metrics::Metric::kMissingSegments), 0U);
    return found;
  }

  ScriptedClock clock_;
  ScriptedRandom random_;
};

TEST_F(StoppedLogTest, AChunkGivenUpAndQueuedAgainIsTheSame) {
  io::LossyFileSystem files;
  prepare(files);
  ASSERT_TRUE(give_up(files));
  auto letters = list_dead_letters(files, kDirectory);
  ASSERT_TRUE(letters);
  ASSERT_EQ(letters->size(), 1U);
  EXPECT_EQ((*letters)[0].reason, "by_hand");
  const std::string id = (*letters)[0].id.hex();
  ASSERT_TRUE(requeue(files));
  EXPECT_TRUE(list_dead_letters(files, kDirectory)->empty());
  const auto found = deliveries(files);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found.find(id)->second, "HEADmoved;");
}

// A requeue that is cut at any call, then the service, which delivers, then it again as the man
// page says: what was delivered is not queued once more.
TEST_F(StoppedLogTest, ACutRequeueIsNotRepeatedAfterTheDelivery) {
  for (uint64_t nth = 1;; ++nth) {
    io::LossyFileSystem files;
    prepare(files);
    ASSERT_TRUE(give_up(files));
    io::FaultyFileSystem faulty(files);
    faulty.set(io::Fault{.call = io::Call::kUnlink, .path_glob = "*/dead/*", .nth = nth});
    const bool whole = requeue(faulty).has_value();
    EXPECT_EQ(deliveries(files).size(), 2U);
    EXPECT_TRUE(deliveries(files).empty());
    EXPECT_TRUE(list_dead_letters(files, kDirectory)->empty()) << nth;
    ASSERT_TRUE(requeue(files));
    EXPECT_TRUE(deliveries(files).empty());
    if (whole) break;
  }
}

// A requeue makes two segments, and the letters are gone: without the second one that is told.
TEST_F(StoppedLogTest, TheLastSegmentIsMissedWhenItGoes) {
  io::LossyFileSystem files;
  prepare(files);
  ASSERT_TRUE(give_up(files));
  ASSERT_TRUE(requeue(files));
  EXPECT_TRUE((*LogView::take(files, kDirectory, true))->damages().empty());
  std::string newest;
  const auto entries = files.list(kDirectory);
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.name.ends_with(".log")) newest = std::max(newest, entry.name);
  }
  ASSERT_TRUE(files.unlink(std::string(kDirectory) + "/" + newest));
  EXPECT_FALSE((*LogView::take(files, kDirectory, true))->damages().empty());
  LogHarness service(files, kDirectory);
  ASSERT_TRUE(service.start());
  EXPECT_EQ(service.registry.total(metrics::Metric::kMissingSegments), 1U);
}

TEST_F(StoppedLogTest, AHeldLogIsNotTouched) {
  io::LossyFileSystem files;
  prepare(files);
  LogHarness service(files, kDirectory);
  ASSERT_TRUE(service.start());
  const auto log = StoppedLog::open(io(files), kDirectory);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().kind, ErrorKind::kLocked);
}

TEST_F(StoppedLogTest, PowerCutAtEachOperation) {
  int cuts = 0;
  for (const bool keep : {false, true}) {
    for (int steps = 0;; ++steps) {
      io::LossyFileSystem files;
      prepare(files);
      ASSERT_TRUE(give_up(files));
      files.cut_power();
      FailingFiles failing(files, steps);
      const auto done = requeue(failing);
      files.cut_power(keep ? std::function<bool()>([] { return true; }) : nullptr);
      ++cuts;
      // It is in dead/ or queued, perhaps both; the next run of the tool ends what was begun.
      ASSERT_TRUE(requeue(files)) << steps;
      EXPECT_TRUE(list_dead_letters(files, kDirectory)->empty());
      const auto found = deliveries(files);
      EXPECT_EQ(found.size(), 2U) << steps;
      for (const auto& [id, bytes] : found) {
        EXPECT_TRUE(bytes == "HEADmoved;" || bytes == "HEADkept;") << bytes;
      }
      if (done) break;
      ASSERT_LT(steps, 100);
    }
  }
  EXPECT_GT(cuts, 20);
  printf("%d cuts\n", cuts);
}

TEST_F(StoppedLogTest, PowerCutWhileAChunkIsGivenUp) {
  for (int steps = 0;; ++steps) {
    io::LossyFileSystem files;
    prepare(files);
    FailingFiles failing(files, steps);
    const auto done = give_up(failing);
    files.cut_power();
    const bool dead = !list_dead_letters(files, kDirectory)->empty();
    const auto found = deliveries(files);
    EXPECT_TRUE(dead || found.size() == 2U) << steps;
    if (!done) continue;
    EXPECT_TRUE(dead);
    EXPECT_EQ(found.size(), 1U);
    break;
  }
}

}  // namespace
}  // namespace millrace::buffer
