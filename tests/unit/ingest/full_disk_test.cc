// SPDX-License-Identifier: Apache-2.0
// What messages are told while the disk has no room for the next segment.

#include <gtest/gtest.h>

#include "io/simulated.h"
#include "tests/support/ingest_harness.h"

namespace millrace::ingest {
namespace {

using config::OverflowAction;
using input::Verdict;
using metrics::Metric;
using testing::IngestHarness;
using testing::packed_entry;

class FullDisk : public ::testing::Test {
 protected:
  FullDisk() {
    match_.patterns = {"app.**"};
    match_.type = config::OutputType::kKinesisAggregation;
    match_.id = "to_kinesis";
    match_.buffer.chunk_limit_size = 1 << 20;
  }
  void start(OverflowAction action) {
    match_.buffer.overflow_action = action;
    harness_ = std::make_unique<IngestHarness>(files_, "/root", match_);
    ASSERT_TRUE(harness_->start());
  }
  void fill() { files_.set_capacity(UINT64_MAX - *files_.free_bytes("/")); }
  void make_space() { files_.set_capacity(UINT64_MAX); }
  static std::string event(size_t bytes) {
    return packed_entry(1'700'000'000, 0, {{"text", std::string(bytes, 'x')}});
  }
  Verdict receive(size_t bytes) { return harness_->receive("app.test", event(bytes)); }
  /// Stores messages until one is not taken; what it is told once housekeeping has tried.
  Verdict receive_until_full() {
    while (receive(100'000) == Verdict::kTaken) {
      harness_->commit();
      ++taken_;
    }
    harness_->tend();
    return receive(100'000);
  }
  size_t deliver() {
    size_t records = 0;
    while (harness_->log().queue().counts().due > 0) {
      const buffer::QueuedChunk chunk = *harness_->log().queue().take();
      records += chunk.records;
      harness_->log().finish(chunk, buffer::Finish::kDelivered);
    }
    harness_->tend();
    return records;
  }
  uint64_t total(Metric metric) { return harness_->registry.total(metric); }
  uint64_t of_output(Metric metric) { return harness_->registry.total(metric, match_.id); }

  config::Match match_;
  io::SimulatedFileSystem files_;
  std::unique_ptr<IngestHarness> harness_;
  size_t taken_ = 0;
};

TEST_F(FullDisk, ClientsWaitAndEverythingStagedGoesOut) {
  start(OverflowAction::kBlock);
  fill();
  EXPECT_EQ(receive_until_full(), Verdict::kNotNow);
  EXPECT_GE(of_output(Metric::kOverflowBlocked), 1U);
  harness_->seal(buffer::SealReason::kForced);
  EXPECT_EQ(deliver(), taken_);
  make_space();
  harness_->clock.running += 1000;
  harness_->tend();
  EXPECT_EQ(receive(100'000), Verdict::kTaken);
}

TEST_F(FullDisk, WhoIsStillSendingIsToldToWait) {
  start(OverflowAction::kDropOldestChunk);
  EXPECT_TRUE(harness_->has_room("app.test", 100'000));
  EXPECT_FALSE(harness_->has_room("app.test", 9 << 20)) << "the next segment is being made";
  fill();
  receive_until_full();
  EXPECT_FALSE(harness_->has_room("app.test", 100'000));
}

TEST_F(FullDisk, OrTheyAreRefused) {
  start(OverflowAction::kThrowException);
  fill();
  EXPECT_EQ(receive_until_full(), Verdict::kRefused);
  EXPECT_GE(of_output(Metric::kOverflowThrown), 1U);
}

TEST_F(FullDisk, OrTheOldestSegmentMakesRoom) {
  start(OverflowAction::kDropOldestChunk);
  files_.set_capacity(30 << 20);
  EXPECT_EQ(receive_until_full(), Verdict::kNotNow);
  // Not while a segment that was left has room to give.
  for (int i = 0; i < 5 && total(Metric::kDroppedChunks) == 0; ++i) {
    harness_->clock.running += 1000;
    EXPECT_EQ(receive_until_full(), Verdict::kNotNow);
  }
  EXPECT_GE(total(Metric::kDroppedChunks), 1U);
  EXPECT_GE(harness_->log().queue().counts().queued, 1U) << "not more than it takes";
  harness_->clock.running += 1000;
  const uint64_t dropped = total(Metric::kDroppedChunks);
  harness_->tend();
  EXPECT_EQ(total(Metric::kSegmentsRemoved), 1U);
  EXPECT_EQ(receive(100'000), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDroppedChunks), dropped);
}

// Nobody offers anything while all wait: being asked whether an offer is worth it has to do.
TEST_F(FullDisk, TheOldestSegmentMakesRoomForWhoWaits) {
  start(OverflowAction::kDropOldestChunk);
  files_.set_capacity(30 << 20);
  receive_until_full();
  input::ConnectionNote note;
  const auto offer = [&] {
    return harness_->receive("app.test", event(100'000), {}, "192.0.2.1", &note);
  };
  ASSERT_EQ(offer(), Verdict::kNotNow);
  for (int i = 0; i < 50 && !harness_->may_take(note); ++i) {
    harness_->clock.running += 1000;
    harness_->tend();
  }
  EXPECT_GE(total(Metric::kDroppedChunks), 1U);
  EXPECT_EQ(offer(), Verdict::kTaken);
}

// Whoever comes while the next segment is being made waits; nobody is told, nothing is counted.
TEST_F(FullDisk, ASegmentThatIsBeingMadeIsNoOverflow) {
  start(OverflowAction::kThrowException);
  EXPECT_EQ(receive(9 << 20), Verdict::kNotNow);
  EXPECT_EQ(total(Metric::kOverflowThrown) + total(Metric::kOverflowBlocked), 0U);
  EXPECT_FALSE(harness_->log().status().full);
  harness_->tend();
  EXPECT_EQ(receive(9 << 20), Verdict::kTaken);
}

// Many small events grow by much more than was estimated.
TEST_F(FullDisk, AMessageThatGrowsTooMuchIsTakenBackWhole) {
  start(OverflowAction::kBlock);
  fill();
  std::string small;
  for (int i = 0; i < 40'000; ++i) small += packed_entry(1, 0, {{"a", "b"}});
  Verdict verdict = Verdict::kTaken;
  while (verdict == Verdict::kTaken) {
    verdict = harness_->receive("app.test", small);
    harness_->commit();
  }
  harness_->tend();
  EXPECT_EQ(harness_->receive("app.test", small), Verdict::kNotNow);
  const uint64_t stored = total(Metric::kStoredRecords);
  EXPECT_EQ(total(Metric::kReceivedEntries), stored);
  harness_->seal(buffer::SealReason::kForced);
  EXPECT_EQ(deliver(), stored);
}

// Its copy comes over another connection and is stored; then it is offered again itself.
TEST_F(FullDisk, AMessageThatWasTakenBackIsStoredOnce) {
  const std::string id = "not one of Fluentd's own";
  std::string small;
  for (int i = 0; i < 60'000; ++i) small += packed_entry(1, 0, {{"a", "b"}});
  start(OverflowAction::kBlock);
  fill();
  input::ConnectionNote first;
  EXPECT_EQ(harness_->log().room(2 * small.size() + 4096), buffer::Room::kYes) << "it is let in";
  EXPECT_EQ(harness_->receive("app.test", small, id, "192.0.2.1", &first), Verdict::kNotNow);
  make_space();
  harness_->clock.running += 1000;
  harness_->tend();
  input::ConnectionNote second;
  EXPECT_EQ(harness_->receive("app.test", small, id, "192.0.2.1", &second), Verdict::kTaken);
  harness_->commit();
  EXPECT_EQ(harness_->receive("app.test", small, id, "192.0.2.1", &first), Verdict::kDone);
  EXPECT_EQ(total(Metric::kRepeatStored), 1U);
}

}  // namespace
}  // namespace millrace::ingest
