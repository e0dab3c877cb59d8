// SPDX-License-Identifier: Apache-2.0
// Every event that is not stored as it came is counted, each under its reason, and a full buffer
// does what overflow_action says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/ingest_harness.h"
#include "tests/support/memory_files.h"
#include "tests/support/sanitized.h"

namespace millrace::testing {
namespace {

using config::OverflowAction;
using input::Verdict;
using metrics::Metric;
using ::testing::HasSubstr;

std::string array_of_two(std::string_view time, std::string_view record) {
  return std::string("\x92").append(time).append(record);
}

const std::string kGood = packed_entry(1'700'000'000, 0, {{"n", "1"}});
const std::string kTime("\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00", 10);

class CountersTest : public ::testing::Test {
 protected:
  CountersTest() {
    match_.patterns = {"app.**"};
    match_.id = "out";
    match_.buffer.chunk_limit_size = 1000;
  }

  void start() {
    harness_ = std::make_unique<IngestHarness>(files_, "/root", match_);
    harness_->total_limit = total_limit_;
    harness_->keep_unmatched = keep_unmatched_;
    ASSERT_TRUE(harness_->start());
  }
  Verdict receive(const std::string& entries, std::string_view tag = "app.test") {
    return harness_->receive(tag, entries);
  }
  uint64_t total(Metric metric) const { return harness_->registry.total(metric); }
  uint64_t of_output(Metric metric) const { return harness_->registry.total(metric, match_.id); }

  // A queued chunk that fills the buffer.
  void fill() {
    total_limit_ = 100;
    start();
    ASSERT_EQ(receive(packed_entry(1, 0, {{"text", std::string(200, 'x')}})), Verdict::kTaken);
    harness_->seal(buffer::SealReason::kForced);
    ASSERT_EQ(harness_->log().queue().counts().queued, 1U);
  }

  MemoryFileSystem files_;
  config::Match match_;
  uint64_t total_limit_ = 1ULL << 40;
  bool keep_unmatched_ = true;
  std::unique_ptr<IngestHarness> harness_;
};

TEST_F(CountersTest, EntriesThatAreNone) {
  start();
  const std::string not_entries = std::string("\x07\x91\x01", 3);
  EXPECT_EQ(receive(kGood + not_entries + kGood), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDiscardedNotEntry), 2U);
  EXPECT_EQ(total(Metric::kReceivedEntries), 2U);
}

TEST_F(CountersTest, RecordsThatAreNoMaps) {
  start();
  EXPECT_EQ(receive(array_of_two(kTime, "\xa1x") + kGood + array_of_two(kTime, "\xc0")),
            Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDiscardedNotMap), 2U);
}

TEST_F(CountersTest, TimesThatAreNone) {
  start();
  EXPECT_EQ(receive(array_of_two("\xa1x", "\x80") + kGood), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDiscardedBadTime), 1U);
}

TEST_F(CountersTest, TimesThatAreFarInTheFuture) {
  start();
  const std::string milliseconds("\xcf\x00\x00\x01\x8b\xcf\xe5\x68\x00", 9);  // not seconds
  EXPECT_EQ(receive(array_of_two(milliseconds, "\x80")), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kOddTime), 1U);
}

TEST_F(CountersTest, AnEntryThatBreaksOff) {
  start();
  EXPECT_EQ(receive(kGood + array_of_two(kTime, "\x82\xa1k")), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDiscardedTruncated), 1U);
  EXPECT_EQ(total(Metric::kReceivedEntries), 1U);
}

TEST_F(CountersTest, ARecordThatIsTooDeep) {
  start();
  std::string deep = "\x81\xa1k";
  for (int i = 0; i < 2000; ++i) deep += '\x91';
  EXPECT_EQ(receive(array_of_two(kTime, deep + '\x01') + kGood), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDiscardedTooDeep), 1U);
  EXPECT_EQ(total(Metric::kReceivedEntries), 1U);
}

// What it took meanwhile is not taken for a need of the events after it.
TEST_F(CountersTest, AnEventThatGrowsTooLargeCostsNoOther) {
  if (kSanitized) GTEST_SKIP() << "quarter of a gigabyte";
  match_.buffer.chunk_limit_size = 1 << 20;
  start();
  EXPECT_EQ(receive(kGood), Verdict::kTaken);
  harness_->commit();
  const std::string zeros(30 << 20, '\0');  // six characters each
  EXPECT_EQ(receive(packed_entry(1, 0, {{"text", zeros}})), Verdict::kInParts);
  harness_->tend();  // makes a larger spare
  EXPECT_EQ(receive(packed_entry(1, 0, {{"text", zeros}})), Verdict::kTaken);
  harness_->commit(false);
  EXPECT_EQ(harness_->log().queue().counts().dead_letters, 1U);
  std::string good;
  for (int i = 0; i < 3000; ++i) good += packed_entry(1, 0, {{"text", std::string(1000, 'x')}});
  EXPECT_EQ(receive(good), Verdict::kTaken);
  harness_->commit(false);
  EXPECT_EQ(harness_->log().queue().counts().dead_letters, 1U);
  EXPECT_EQ(total(Metric::kReceivedEntries), 3002U);
}

TEST_F(CountersTest, ValuesThatJsonDoesNotKnow) {
  start();
  const std::string nan("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", 9);
  const std::string ext("\xd4\x05\x00", 3);
  EXPECT_EQ(receive(array_of_two(kTime, "\x83\xa1u\xa1\xff\xa1n" + nan +
                                            "\xa1"
                                            "e" +
                                            ext)),
            Verdict::kTaken);
  EXPECT_EQ(total(Metric::kReplacedValues), 1U);
  EXPECT_EQ(total(Metric::kReplacedNotFinite), 1U);
  EXPECT_EQ(total(Metric::kReplacedExt), 1U);
}

TEST_F(CountersTest, WithoutAPlaceForThemUnmatchedEventsAreDropped) {
  keep_unmatched_ = false;
  start();
  EXPECT_EQ(receive(kGood + kGood + kGood, "other.tag"), Verdict::kDone);
  EXPECT_EQ(total(Metric::kDiscardedUnmatched), 3U);
  harness_->commit();
  EXPECT_EQ(harness_->unmatched().status().unfinished_bytes, 0U);
}

TEST_F(CountersTest, WhatIsDroppedTakesItsTurnsToo) {
  keep_unmatched_ = false;
  start();
  constexpr uint64_t kNils = 1 << 20;
  const std::string nils(kNils, '\xc0');
  uint64_t turns = 0;
  EXPECT_EQ(
      harness_->receive("other.tag", kGood + nils + kGood, "id", "192.0.2.1", nullptr, &turns),
      Verdict::kDone);
  EXPECT_EQ(turns, 5U);
  EXPECT_EQ(total(Metric::kDiscardedUnmatched), 2U);
  EXPECT_EQ(total(Metric::kDiscardedNotEntry), kNils);
}

TEST_F(CountersTest, WithOneTheyAreKept) {
  start();
  EXPECT_EQ(receive(kGood + kGood, "other.tag"), Verdict::kTaken);
  harness_->seal(buffer::SealReason::kForced);
  EXPECT_EQ(total(Metric::kDiscardedUnmatched), 0U);
  EXPECT_EQ(total(Metric::kDeadUnmatched), 1U);
}

// Every event would carry it.
TEST_F(CountersTest, AMessageWithAnEndlessTagIsKeptAsItCame) {
  start();
  EXPECT_EQ(receive(kGood + kGood, "app." + std::string((64 << 10) - 4, 't')), Verdict::kTaken);
  harness_->commit(false);
  EXPECT_EQ(harness_->log().queue().counts().dead_letters, 0U);
  EXPECT_EQ(total(Metric::kReceivedEntries), 2U);
  EXPECT_EQ(receive(kGood + kGood, "app." + std::string((64 << 10) - 3, 't')), Verdict::kTaken);
  harness_->commit(false);
  EXPECT_EQ(harness_->log().queue().counts().dead_letters, 1U);
  EXPECT_EQ(receive(kGood), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kReceivedEntries), 5U);
}

TEST_F(CountersTest, AFullBufferMakesClientsWait) {
  fill();
  EXPECT_EQ(receive(kGood), Verdict::kNotNow);
  EXPECT_EQ(of_output(Metric::kOverflowBlocked), 1U);
  EXPECT_EQ(total(Metric::kOverflowBlocked), 1U) << "and nowhere else";
  EXPECT_EQ(harness_->log().queue().counts().queued, 1U);
}

TEST_F(CountersTest, AFullBufferRefusesThem) {
  match_.buffer.overflow_action = OverflowAction::kThrowException;
  fill();
  EXPECT_TRUE(harness_->has_room("app.test", 1)) << "it is refused when it is whole";
  EXPECT_EQ(receive(kGood), Verdict::kRefused);
  EXPECT_EQ(of_output(Metric::kOverflowThrown), 1U);
  EXPECT_EQ(total(Metric::kOverflowThrown), 1U) << "and nowhere else";
  EXPECT_EQ(harness_->log().queue().counts().queued, 1U);
}

TEST_F(CountersTest, AFullBufferDropsItsOldestChunk) {
  match_.buffer.overflow_action = OverflowAction::kDropOldestChunk;
  fill();
  const uint64_t body_bytes = harness_->log().status().unfinished_bytes;
  EXPECT_TRUE(harness_->has_room("app.test", 1));
  EXPECT_EQ(total(Metric::kDroppedChunks), 0U) << "not before it is whole";
  const buffer::QueuedChunk in_flight = *harness_->log().queue().take();
  EXPECT_FALSE(harness_->has_room("app.test", 1)) << "nothing that could be dropped";
  harness_->log().queue().give_back(in_flight);
  EXPECT_EQ(receive(kGood), Verdict::kTaken);
  EXPECT_EQ(total(Metric::kDroppedChunks), 1U);
  EXPECT_EQ(total(Metric::kDroppedRecords), 1U);
  EXPECT_EQ(total(Metric::kDroppedBytes), body_bytes);
  EXPECT_EQ(harness_->log().queue().counts().queued, 0U);
}

// What is laid out and not committed yet fills it too.
TEST_F(CountersTest, AFullBufferSaysHowFullItIs) {
  total_limit_ = 1000;
  start();
  ASSERT_EQ(receive(packed_entry(1, 0, {{"text", std::string(700, 'x')}})), Verdict::kTaken);
  const uint64_t open_bytes = harness_->log().appender().open_batch_bytes();
  ASSERT_GT(open_bytes, 700U);
  ASSERT_EQ(harness_->log().status().unfinished_bytes, 0U);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(receive(packed_entry(1, 0, {{"text", std::string(700, 'x')}})), Verdict::kNotNow);
  EXPECT_THAT(
      ::testing::internal::GetCapturedStderr(),
      HasSubstr(" unfinished_bytes=" + std::to_string(open_bytes) + " total_limit_size=1000\n"));
}

// It would be unpacked in vain.
TEST_F(CountersTest, WhatWaitsForAFullBufferIsWorthNoOfferUntilThereIsRoom) {
  fill();
  input::ConnectionNote note;
  ASSERT_EQ(harness_->receive("app.test", kGood, {}, "192.0.2.1", &note), Verdict::kNotNow);
  EXPECT_FALSE(harness_->may_take(note));
  harness_->log().finish(*harness_->log().queue().take(), buffer::Finish::kDelivered);
  EXPECT_TRUE(harness_->may_take(note));
  EXPECT_EQ(harness_->receive("app.test", kGood, {}, "192.0.2.1", &note), Verdict::kTaken);
}

// Asked while the message is still arriving; nothing is counted, for nobody was turned away.
TEST_F(CountersTest, AFullBufferIsToldToWhoIsStillSending) {
  fill();
  EXPECT_FALSE(harness_->has_room("app.test", 1));
  EXPECT_TRUE(harness_->has_room("other.test", 1)) << "goes to the log of what no match wants";
  EXPECT_EQ(total(Metric::kOverflowBlocked), 0U);
}

}  // namespace
}  // namespace millrace::testing
