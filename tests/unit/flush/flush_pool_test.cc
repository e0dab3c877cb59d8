// SPDX-License-Identifier: Apache-2.0
#include "flush/flush_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"
#include "tests/support/scripted_output.h"

namespace millrace::flush {
namespace {

using buffer::SealReason;
using metrics::Metric;
using output::Outcome;
using output::PutResult;
using testing::LogHarness;
using testing::ScriptedOutput;

constexpr const char* kDirectory = "/buffer/worker0/out/buffer";

// A log with flush threads on it; time passes only while the test waits for something.
class FlushPoolTest : public ::testing::Test {
 protected:
  FlushPoolTest() {
    options.flush_thread_count = 1;
    options.retry_wait_ms = 1;
    options.retry_max_interval_ms = 1;
  }

  void start() { ASSERT_TRUE(harness.start()); }
  void flush() {
    pool.reset();
    outlet = std::make_unique<Outlet>(harness.io(), output, "out", options, harness.registry);
    pool = std::make_unique<FlushPool>(harness.io(), harness.log(), *outlet,
                                       options.flush_thread_count, harness.registry);
  }

  // One sealed, queued chunk of these records.
  void queue_chunk(const std::vector<std::string>& records) {
    harness.append(records);
    harness.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(harness.commit());
  }

  bool until(const std::function<bool()>& reached) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!reached()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      harness.clock.running += 1;
      std::this_thread::yield();
    }
    return true;
  }
  bool until_finished() {
    return until([&] { return harness.log().status().unfinished_bytes == 0; });
  }
  uint64_t total(Metric metric) const { return harness.registry.total(metric, "out"); }

  nlohmann::json dead_letter() {
    harness.log().tend();
    auto entries = files.list(std::string(kDirectory) + "/dead");
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.name.ends_with(".json")) continue;
      return nlohmann::json::parse(
          *io::read_whole(files, std::string(kDirectory) + "/dead/" + entry.name, 4096));
    }
    return {};
  }

  // Other bytes in the place of `text` in the newest segment, as a disk may give them back.
  void spoil(const std::string& text) {
    auto entries = files.list(kDirectory);
    for (const io::DirectoryEntry& entry : *entries) {
      if (!entry.name.ends_with(".log")) continue;
      const std::string path = std::string(kDirectory) + "/" + entry.name;
      const std::string bytes = *io::read_whole(files, path, 1 << 30);
      const size_t at = bytes.find(text);
      ASSERT_NE(at, std::string::npos);
      auto file = files.open(path, io::OpenMode::kReadWrite);
      ASSERT_TRUE(file && (*file)->pwrite(std::string(text.size(), '!'), at));
    }
  }

  testing::MemoryFileSystem files;
  LogHarness harness{files};
  ScriptedOutput output;
  config::Buffer options;
  std::unique_ptr<Outlet> outlet;
  std::unique_ptr<FlushPool> pool;
};

TEST_F(FlushPoolTest, DeliversAChunkOnceAndForgetsIt) {
  start();
  queue_chunk({"one;", "two;"});
  flush();
  ASSERT_TRUE(until_finished());
  pool.reset();
  const auto puts = output.puts();
  ASSERT_EQ(puts.size(), 1U);
  EXPECT_EQ(puts[0].record, "HEADone;two;");
  EXPECT_EQ(puts[0].partition_key, puts[0].chunk_id.uuid());
  EXPECT_EQ(puts[0].records, 2U);
  EXPECT_EQ(puts[0].attempt, 1U);
  EXPECT_EQ(total(Metric::kPutCommitted), 1U);
  EXPECT_EQ(total(Metric::kFlushedRecords), 2U);
  EXPECT_EQ(total(Metric::kFlushedBytes), puts[0].record.size());
  EXPECT_EQ(total(Metric::kFlushRetries), 0U);
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.log().queue().counts().queued, 0U);
}

TEST_F(FlushPoolTest, EachOutcomeIsCounted) {
  start();
  queue_chunk({"one;"});
  output.answer({.outcome = Outcome::kUnavailable, .detail = "no route"});
  output.answer({.outcome = Outcome::kAmbiguous, .detail = "cut off"}, 2);
  output.answer({.outcome = Outcome::kThrottled, .detail = "slow down"});
  flush();
  ASSERT_TRUE(until_finished());
  pool.reset();
  EXPECT_EQ(total(Metric::kPutUnavailable), 1U);
  EXPECT_EQ(total(Metric::kPutAmbiguous), 2U);
  EXPECT_EQ(total(Metric::kPutThrottled), 1U);
  EXPECT_EQ(total(Metric::kPutCommitted), 1U);
  EXPECT_EQ(total(Metric::kFlushRetries), 4U);
  EXPECT_EQ(harness.log().status().last_error, "");
}

TEST_F(FlushPoolTest, AChunkThatWaitsHoldsNobodyUp) {
  start();
  queue_chunk({"first;"});
  queue_chunk({"second;"});
  output.answer({.outcome = Outcome::kNotAuthorized, .detail = "no permission"});
  flush();
  ASSERT_TRUE(until([&] { return output.puts().size() == 2; }));
  pool.reset();
  EXPECT_EQ(output.puts()[1].record, "HEADsecond;");
  EXPECT_EQ(total(Metric::kPutAuth), 1U);
  EXPECT_EQ(harness.log().queue().counts().queued, 1U) << "for ten seconds at least";
}

TEST_F(FlushPoolTest, TheErrorIsToldUntilADeliverySucceeds) {
  start();
  queue_chunk({"one;"});
  output.answer({.outcome = Outcome::kNotAuthorized, .detail = std::string(300, 'e')});
  flush();
  ASSERT_TRUE(until([&] { return !harness.log().status().last_error.empty(); }));
  EXPECT_EQ(harness.log().status().last_error, std::string(200, 'e'));
  queue_chunk({"two;"});
  EXPECT_TRUE(until([&] { return harness.log().status().last_error.empty(); }));
}

TEST_F(FlushPoolTest, RefusedBytesGoToDeadWithTheReason) {
  start();
  queue_chunk({"one;"});
  output.answer({.outcome = Outcome::kRejected, .detail = "ValidationException"});
  flush();
  ASSERT_TRUE(until([&] { return harness.log().queue().counts().dead_letters == 1; }));
  pool.reset();
  const nlohmann::json told = dead_letter();
  EXPECT_EQ(told.value("reason", ""), "refused");
  EXPECT_EQ(told.value("last_error", ""), "ValidationException");
  EXPECT_EQ(told.value("attempts", 0), 1);
  EXPECT_EQ(total(Metric::kPutRejected), 1U);
  EXPECT_EQ(total(Metric::kDeadRefused), 1U);
  EXPECT_EQ(total(Metric::kFlushedRecords), 0U);
  EXPECT_EQ(harness.log().status().unfinished_bytes, 0U);
}

TEST_F(FlushPoolTest, AtTheRetryLimitAChunkGoesToDead) {
  options.retry_max_times = 3;
  start();
  queue_chunk({"one;"});
  output.answer({.outcome = Outcome::kUnavailable, .detail = "no route"}, 100);
  flush();
  ASSERT_TRUE(until([&] { return harness.log().queue().counts().dead_letters == 1; }));
  pool.reset();
  EXPECT_EQ(output.puts().size(), 4U) << "the first attempt and three more";
  const nlohmann::json told = dead_letter();
  EXPECT_EQ(told.value("reason", ""), "retry_limit");
  EXPECT_EQ(told.value("attempts", 0), 4);
  EXPECT_EQ(total(Metric::kDeadRetryLimit), 1U);
}

// The attempts of an earlier life count towards the limit of time.
TEST_F(FlushPoolTest, TheRetryTimeGoesOnAfterARestart) {
  options.retry_timeout_ms = 3600'000;
  options.retry_max_interval_ms = 3600'000;
  options.retry_wait_ms = 3600'000;
  start();
  queue_chunk({"one;"});
  output.answer({.outcome = Outcome::kUnavailable, .detail = "no route"}, 100);
  flush();
  ASSERT_TRUE(until(
      [&] { return harness.log().queue().counts().queued == 1 && output.puts().size() == 1; }));
  pool.reset();
  buffer::QueuedChunk chunk = *harness.log().queue().take_oldest();
  EXPECT_EQ(chunk.failures, 1U);
  // Failed again an hour later, and killed.
  harness.clock.running += 3600'000;
  ++chunk.failures;
  harness.log().note_attempt(chunk);
  harness.stop();
  ASSERT_TRUE(harness.start());
  flush();
  ASSERT_TRUE(until([&] { return harness.log().queue().counts().dead_letters == 1; }));
  pool.reset();
  EXPECT_EQ(output.puts().size(), 2U) << "one last attempt";
  EXPECT_EQ(dead_letter().value("reason", ""), "retry_limit");
}

// X4: the line that remembers the attempts is lost. A chunk is then tried longer, never shorter.
TEST_F(FlushPoolTest, X4WithoutItsLineAChunkIsTriedLonger) {
  options.retry_max_times = 3;
  for (const bool lost : {false, true}) {
    SCOPED_TRACE(lost ? "lost" : "kept");
    files.set(io::DiskState());
    start();
    queue_chunk({"one;"});
    buffer::QueuedChunk chunk = *harness.log().queue().take();
    chunk.failures = 2;
    chunk.first_failure_ms = harness.clock.running;
    harness.log().note_attempt(chunk);
    harness.stop();
    const std::string path = std::string(kDirectory) + "/chunks.pos";
    std::string text = *io::read_whole(files, path, 1 << 24);
    const size_t line = text.find("R 0000");
    ASSERT_NE(line, std::string::npos);
    if (lost) text.replace(line, 80, 80, '\0');
    files.put(path, text);
    ASSERT_TRUE(harness.start());
    output.answer({.outcome = Outcome::kUnavailable, .detail = "no route"}, 100);
    const size_t puts = output.puts().size();
    flush();
    ASSERT_TRUE(until([&] { return harness.log().queue().counts().dead_letters == 1; }));
    pool.reset();
    EXPECT_EQ(output.puts().size() - puts, lost ? 4U : 2U);
    harness.stop();
  }
}

TEST_F(FlushPoolTest, WhatTheDiskLostIsLeftOutAndCounted) {
  start();
  const std::string lost(200, 'l');
  harness.append({"kept;"});
  ASSERT_TRUE(harness.commit());
  harness.append({lost, lost});
  ASSERT_TRUE(harness.commit());
  queue_chunk({"kept too;"});
  spoil(lost);
  flush();
  ASSERT_TRUE(until_finished());
  pool.reset();
  const auto puts = output.puts();
  ASSERT_EQ(puts.size(), 1U);
  EXPECT_EQ(puts[0].record, "HEADkept;kept too;");
  EXPECT_EQ(puts[0].records, 2U);
  EXPECT_EQ(total(Metric::kDamagedChunks), 1U);
  EXPECT_EQ(total(Metric::kDamagedRecords), 2U);
  EXPECT_EQ(total(Metric::kDamagedBytes), 2 * lost.size());
  EXPECT_EQ(total(Metric::kFlushedRecords), 2U);
}

TEST_F(FlushPoolTest, AChunkOfWhichNothingIsLeftIsNotSent) {
  start();
  const std::string lost(200, 'l');
  queue_chunk({lost});
  spoil(lost);
  flush();
  ASSERT_TRUE(until_finished());
  pool.reset();
  EXPECT_EQ(output.puts().size(), 0U);
  EXPECT_EQ(total(Metric::kDamagedChunks), 1U);
  EXPECT_EQ(total(Metric::kDamagedRecords), 1U);
  EXPECT_EQ(total(Metric::kPutCommitted), 0U) << "nobody was asked";
}

TEST_F(FlushPoolTest, AChunkThatCannotBeReadIsTriedAgain) {
  start();
  queue_chunk({"one;"});
  buffer::QueuedChunk chunk = *harness.log().queue().take();
  chunk.seal_lsn += 8;  // where no SEAL is
  harness.log().queue().give_back(chunk);
  flush();
  ASSERT_TRUE(until([&] { return !harness.log().status().last_error.empty(); }));
  pool.reset();
  EXPECT_NE(harness.log().status().last_error.find("cannot be read"), std::string::npos);
  EXPECT_EQ(output.puts().size(), 0U);
  EXPECT_EQ(harness.log().queue().counts().queued, 1U);
}

TEST_F(FlushPoolTest, AStopAwaitsWhatIsUnderWay) {
  start();
  for (int i = 0; i < 100; ++i) queue_chunk({"record;"});
  output.hold(true);
  flush();
  ASSERT_TRUE(until([&] { return output.under_way() == 1; }));
  std::thread stopper([&] { pool->stop(false); });
  output.hold(false);
  stopper.join();
  const buffer::ChunkQueue::Counts counts = harness.log().queue().counts();
  EXPECT_EQ(counts.in_flight, 0U);
  EXPECT_GE(total(Metric::kPutCommitted), 1U);
  EXPECT_EQ(total(Metric::kPutCommitted) + counts.queued, 100U);
  EXPECT_EQ(total(Metric::kPutCommitted), output.puts().size());
}

TEST_F(FlushPoolTest, AnInterruptedRequestLeavesItsChunkInTheBuffer) {
  start();
  queue_chunk({"one;"});
  output.hold(true);
  flush();
  ASSERT_TRUE(until([&] { return output.under_way() == 1; }));
  pool->stop(true);
  EXPECT_EQ(total(Metric::kPutCommitted), 0U);
  EXPECT_EQ(harness.log().queue().counts().queued, 1U);
  pool.reset();
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.drain(), "one;");
}

TEST_F(FlushPoolTest, HasAsManyRequestsUnderWayAsThreadsAndNoMore) {
  options.flush_thread_count = 3;
  start();
  for (int i = 0; i < 5; ++i) queue_chunk({std::to_string(i) + ";"});
  output.hold(true);
  flush();
  ASSERT_TRUE(until([&] { return output.under_way() == 3; }));
  EXPECT_EQ(harness.log().queue().counts().in_flight, 3U);
  EXPECT_EQ(harness.log().queue().counts().queued, 2U);
  output.hold(false);
  ASSERT_TRUE(until_finished());
  std::set<std::string> records;
  for (const ScriptedOutput::Put& put : output.puts()) records.insert(put.record);
  EXPECT_EQ(records.size(), 5U);
  EXPECT_EQ(output.puts().size(), 5U);
}

// Two workers: what one of them meets holds the other back, and one probe is for both.
TEST_F(FlushPoolTest, ALogOfAnotherWorkerSharesTheBreaker) {
  options.flush_thread_count = 4;
  options.retry_wait_ms = 1000;
  options.retry_max_interval_ms = 1000;
  start();
  LogHarness other(files, "/buffer/worker1/out/buffer");
  ASSERT_TRUE(other.start());
  for (int i = 0; i < 20; ++i) {
    queue_chunk({std::to_string(i) + ";"});
    other.append({std::to_string(100 + i) + ";"});
    other.log().appender().seal_all(SealReason::kForced);
    ASSERT_TRUE(other.commit());
  }
  output.answer({.outcome = Outcome::kUnavailable, .detail = "no route"}, 1000);
  flush();
  FlushPool others(other.io(), other.log(), *outlet, 4, harness.registry);
  ASSERT_TRUE(until([&] { return std::string(outlet->gate.status().state) == "open"; }));
  pool->stop(false);
  others.stop(false);
  const size_t puts = output.puts().size();
  EXPECT_LE(puts, 8U + outlet->gate.status().probes) << "what was under way, and probes";
  const GateStatus now = outlet->gate.status();
  EXPECT_EQ(now.opens, 1U);
  EXPECT_EQ(now.last_error, "no route");
  EXPECT_EQ(harness.log().queue().counts().queued + other.log().queue().counts().queued, 40U);
}

}  // namespace
}  // namespace millrace::flush
