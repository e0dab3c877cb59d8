// SPDX-License-Identifier: Apache-2.0
// The way out with an output that answers as it is told: what every attempt sends, and what each
// answer makes of the chunk.

#include "flush/flush_thread.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "io/lossy.h"
#include "tests/support/log_harness.h"

namespace millrace::flush {
namespace {

using output::Outcome;
using testing::LogHarness;

/// Answers in the order given, the last one for ever, and remembers what it was asked.
class ScriptedOutput : public output::Output {
 public:
  struct Attempt {
    std::string partition_key;
    std::string record;
    ChunkId chunk_id;
    uint32_t number = 0;
  };

  std::unique_ptr<output::Sender> make_sender() override {
    return std::make_unique<ScriptedSender>(*this);
  }
  std::string target() const override { return "script"; }

  std::vector<Attempt> attempts() const {
    const std::lock_guard lock(mutex_);
    return attempts_;
  }

  std::deque<Outcome> answers;
  bool resent = false;                          // said with each answer
  std::function<void()> before_answer = [] {};  // on the flush thread

 private:
  class ScriptedSender : public output::Sender {
   public:
    explicit ScriptedSender(ScriptedOutput& output) : output_(output) {}
    output::PutResult put(const output::Delivery& delivery) override {
      return output_.answer(delivery);
    }
    void interrupt() noexcept override {}

   private:
    ScriptedOutput& output_;
  };

  output::PutResult answer(const output::Delivery& delivery) {
    before_answer();
    const std::lock_guard lock(mutex_);
    attempts_.push_back({std::string(delivery.partition_key), std::string(delivery.record),
                         delivery.chunk_id, delivery.attempt});
    output::PutResult result;
    result.outcome = answers.front();
    result.resent = resent;
    if (answers.size() > 1) answers.pop_front();
    return result;
  }

  mutable std::mutex mutex_;  // guards all below, and `answers` once a thread runs
  std::vector<Attempt> attempts_;
};

class FlushThreadTest : public ::testing::Test {
 protected:
  FlushThreadTest() {
    options_.retry_wait_ms = 1;
    options_.retry_max_interval_ms = 1;
  }

  void start() { ASSERT_TRUE(harness_.start()); }

  // One chunk of these records, durable and queued.
  void queue(const std::vector<std::string>& records) {
    harness_.append(records);
    harness_.log().appender().seal_all(buffer::SealReason::kForced);
    ASSERT_TRUE(harness_.commit());
  }

  // Runs a flush thread, housekeeping and the clock until `done`. False if that takes too long.
  bool flush_until(const std::function<bool()>& done) {
    Outlet outlet(harness_.io(), output_, "out", options_, harness_.registry);
    outlet.secondary = std::move(secondary_);
    FlushThread thread(harness_.io(), harness_.log(), outlet, cells_, "flush-0-0");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool in_time = true;
    while (!done() && in_time) {
      ++harness_.clock.running;
      harness_.log().tend();
      std::this_thread::yield();
      in_time = std::chrono::steady_clock::now() < deadline;
    }
    harness_.log().queue().stop();
    thread.stop(false);
    outlet.gate.wake();
    return in_time;
  }

  bool delivered() { return harness_.log().status().unfinished_bytes == 0; }

  // The kinds of the lines in the position file.
  std::string lines() {
    auto text = io::read_whole(files_, "/buffer/worker0/out/buffer/chunks.pos", 1 << 30);
    std::string kinds;
    for (size_t at = buffer::kPositionHeaderBytes; at < text->size() && (*text)[at] != '\0';
         at += buffer::kPositionLineBytes) {
      kinds += (*text)[at];
    }
    return kinds;
  }

  // What is still queued after a kill.
  std::string left_after_kill() {
    harness_.stop();
    CHECK(harness_.start().has_value());
    return harness_.drain();
  }

  io::LossyFileSystem files_;
  LogHarness harness_{files_};
  ScriptedOutput output_;
  config::Buffer options_;
  std::unique_ptr<Secondary> secondary_;
  metrics::Cells& cells_ = harness_.registry.make_cells("out");
};

TEST_F(FlushThreadTest, EveryAttemptSendsTheSameBytesUnderTheSameKey) {
  start();
  queue({"one;", "two;"});
  output_.answers = {Outcome::kAmbiguous, Outcome::kUnavailable, Outcome::kCommitted};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  const auto attempts = output_.attempts();
  ASSERT_EQ(attempts.size(), 3U);
  for (uint32_t i = 0; i < attempts.size(); ++i) {
    EXPECT_EQ(attempts[i].record, "HEADone;two;");
    EXPECT_EQ(attempts[i].partition_key, attempts[0].chunk_id.uuid());
    EXPECT_EQ(attempts[i].chunk_id, attempts[0].chunk_id);
    EXPECT_EQ(attempts[i].number, i + 1);
  }
  EXPECT_EQ(lines().back(), 'C');
  EXPECT_EQ(left_after_kill(), "");
}

TEST_F(FlushThreadTest, ResendsAreCountedWhateverBecomesOfThem) {
  start();
  queue({"one;"});
  output_.answers = {Outcome::kAmbiguous, Outcome::kCommitted};
  output_.resent = true;
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kFlushResends), 2);
}

TEST_F(FlushThreadTest, WhatDoesNotHoldIsLeftOutAndMarksItsSegment) {
  start();
  harness_.append({"good;"});
  queue({"rotten;"});
  const std::string path = "/buffer/worker0/out/buffer/" + harness_.log().segments().newest()->name;
  const size_t at = io::read_whole(files_, path, 1 << 30)->find("rotten;");
  ASSERT_TRUE((*files_.open(path, io::OpenMode::kReadWrite))->pwrite("R", at));
  output_.answers = {Outcome::kCommitted};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(output_.attempts().front().record, "HEADgood;");
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kDamagedRecords), 1U);
  EXPECT_TRUE(harness_.log().segments().newest()->damaged);
}

TEST_F(FlushThreadTest, TheKeyIsThatOfTheOpening) {
  harness_.profile.head = [](const ChunkId&) { return buffer::HeadAndKey{"HEAD", "fixed"}; };
  start();
  queue({"one;"});
  harness_.stop();
  harness_.profile.head = [](const ChunkId&) { return buffer::HeadAndKey{"OTHER", "other"}; };
  start();
  output_.answers = {Outcome::kCommitted};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  ASSERT_EQ(output_.attempts().size(), 1U);
  EXPECT_EQ(output_.attempts()[0].partition_key, "fixed");
  EXPECT_EQ(output_.attempts()[0].record, "HEADone;");
}

TEST_F(FlushThreadTest, WithoutAnAnswerNothingIsFinished) {
  start();
  queue({"one;"});
  for (const Outcome outcome :
       {Outcome::kAmbiguous, Outcome::kUnavailable, Outcome::kThrottled, Outcome::kNotAuthorized}) {
    SCOPED_TRACE(output::outcome_name(outcome));
    const size_t before = output_.attempts().size();
    output_.answers = {outcome};
    ASSERT_TRUE(flush_until([&] { return output_.attempts().size() > before; }));
    EXPECT_FALSE(delivered());
    harness_.stop();
    start();
  }
  EXPECT_EQ(harness_.drain(), "one;");
}

TEST_F(FlushThreadTest, TheLineFollowsTheAnswer) {
  start();
  queue({"one;"});
  output_.answers = {Outcome::kCommitted};
  std::string lines_before = "not asked";
  output_.before_answer = [&] { lines_before = lines(); };
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(lines_before, "");
  EXPECT_EQ(lines(), "C");
}

TEST_F(FlushThreadTest, EachChunkIsFinishedOnce) {
  start();
  queue({"one;"});
  queue({"two;"});
  output_.answers = {Outcome::kCommitted};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(lines(), "CC");
  EXPECT_EQ(harness_.log().queue().counts().in_flight, 0U);
}

TEST_F(FlushThreadTest, WhatIsRefusedGoesToDead) {
  start();
  queue({"one;"});
  queue({"two;"});
  output_.answers = {Outcome::kRejected, Outcome::kCommitted};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(output_.attempts().size(), 2U);
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kDeadRefused), 1U);
  const std::string directory = "/buffer/worker0/out/buffer/dead/";
  const std::string name = output_.attempts()[0].chunk_id.hex() + ".chunk";
  const auto kept = io::read_whole(files_, directory + name, 4096);
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, "HEADone;");
}

TEST_F(FlushThreadTest, TheRetryLimitEndsInDead) {
  options_.retry_max_times = 2;
  start();
  queue({"one;"});
  output_.answers = {Outcome::kUnavailable};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(output_.attempts().size(), 3U);
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kDeadRetryLimit), 1U);
}

// What lies in the secondary's directory, by name.
std::map<std::string, std::string> contents(io::FileSystem& files, const std::string& directory) {
  std::map<std::string, std::string> found;
  const auto entries = files.list(directory);
  if (!entries) return found;
  for (const io::DirectoryEntry& entry : *entries) {
    found[entry.name] = io::read_whole(files, directory + "/" + entry.name, 1 << 20).value();
  }
  return found;
}

class SecondaryFlush : public FlushThreadTest {
 protected:
  void open_secondary() {
    auto opened = Secondary::open(
        harness_.io(), config::Secondary{.directory = "/kept", .basename = "dump.bin"}, "out");
    ASSERT_TRUE(opened) << opened.error().message;
    secondary_ = std::move(*opened);
    EXPECT_TRUE(contents(files_, "/kept").empty()) << "the try leaves nothing";
  }
};

TEST_F(SecondaryFlush, TakesWhatIsRefusedWithIdKeyAndReasonBesideIt) {
  start();
  open_secondary();
  queue({"one;"});
  queue({"two;"});
  output_.answers = {Outcome::kRejected, Outcome::kCommitted};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  const auto kept = contents(files_, "/kept");
  const ChunkId id = output_.attempts()[0].chunk_id;
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept.at("dump.bin." + id.hex()), "HEADone;");
  const auto told = nlohmann::json::parse(kept.at("dump.bin." + id.hex() + ".json"));
  EXPECT_EQ(told.value("chunk_id", ""), id.hex());
  EXPECT_EQ(told.value("partition_key", ""), output_.attempts()[0].partition_key);
  EXPECT_EQ(told.value("reason", ""), "refused");
  EXPECT_EQ(told.value("attempts", 0), 1);
  EXPECT_EQ(told.value("output", ""), "out");
  EXPECT_EQ(lines(), "SC");
  EXPECT_FALSE(files_.exists("/buffer/worker0/out/buffer/dead").value());
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kSecondaryRefused), 1U);
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kDeadRefused), 0U);
}

TEST_F(SecondaryFlush, TakesWhatIsAtItsRetryLimit) {
  options_.retry_max_times = 2;
  start();
  open_secondary();
  queue({"one;"});
  output_.answers = {Outcome::kUnavailable};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(output_.attempts().size(), 3U);
  EXPECT_EQ(contents(files_, "/kept").size(), 2U);
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kSecondaryRetryLimit), 1U);
}

TEST_F(SecondaryFlush, IsOnTheDiskBeforeTheLine) {
  start();
  open_secondary();
  queue({"one;"});
  output_.answers = {Outcome::kRejected};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  files_.cut_power();
  EXPECT_EQ(contents(files_, "/kept").size(), 2U);
}

// Killed between the files and the line: the same chunk again, under the same names.
TEST_F(SecondaryFlush, AChunkThatIsWrittenAgainReplacesItsOwnFiles) {
  start();
  open_secondary();
  queue({"one;"});
  buffer::QueuedChunk chunk = *harness_.log().queue().take();
  buffer::LoadedChunk loaded;
  buffer::ChunkReader reader = harness_.log().make_reader();
  ASSERT_TRUE(reader.read(chunk, loaded));
  chunk.give_up = buffer::GiveUp::kRefused;
  ASSERT_TRUE(secondary_->write(chunk, loaded));
  const auto before = contents(files_, "/kept");
  harness_.stop();
  start();
  output_.answers = {Outcome::kRejected};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  const auto after = contents(files_, "/kept");
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after.begin()->first, before.begin()->first);
  EXPECT_EQ(after.begin()->second, "HEADone;");
  // Its segment may be going already.
  EXPECT_NE(lines().find('S'), std::string::npos);
}

TEST_F(SecondaryFlush, WhatItCannotTakeGoesToDead) {
  start();
  io::LossyFileSystem other_disk;
  auto opened = Secondary::open(io::Io{other_disk, harness_.clock, harness_.random},
                                config::Secondary{.directory = "/kept"}, "out");
  ASSERT_TRUE(opened);
  secondary_ = std::move(*opened);
  queue({"one;"});
  other_disk.fail_syncs(1000);
  output_.answers = {Outcome::kRejected};
  ASSERT_TRUE(flush_until([this] { return delivered(); }));
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kSecondaryFailures), 1U);
  EXPECT_EQ(harness_.registry.total(metrics::Metric::kDeadRefused), 1U);
  EXPECT_EQ(lines(), "D");
}

TEST_F(SecondaryFlush, ADirectoryThatCannotBeUsedIsToldAtOnce) {
  testing::TemporaryDirectory place;
  io::RealFileSystem real;
  const io::Io io{real, harness_.clock, harness_.random};
  const std::string file = place.path() + "/file";
  ASSERT_TRUE(real.open(file, io::OpenMode::kCreate));
  const auto opened = Secondary::open(io, config::Secondary{.directory = file}, "out");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("the secondary of out cannot be used"), std::string::npos);
  EXPECT_NE(opened.error().message.find(file), std::string::npos);
  EXPECT_TRUE(Secondary::open(io, config::Secondary{.directory = place.path() + "/a/b"}, "out"));
}

}  // namespace
}  // namespace millrace::flush
