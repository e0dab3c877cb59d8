// SPDX-License-Identifier: Apache-2.0
// A message that is sent again is stored once; equal content that is new is stored again.

#include <gtest/gtest.h>

#include "io/lossy.h"
#include "tests/support/ingest_harness.h"

namespace millrace::ingest {
namespace {

using input::ConnectionNote;
using input::Verdict;
using metrics::Metric;

// As Fluentd makes them, and as everybody else may.
constexpr const char* kFluentdId = "AAAAAAAAAAAAAAAAAAAAAA==\n";
constexpr const char* kOtherId = "c0ffee";

std::string one_event(const char* text) {
  return testing::packed_entry(1'700'000'000, 0, {{"m", text}});
}

class Repeats : public ::testing::Test {
 protected:
  Repeats() : harness(files, "/root", testing::local_match()) { EXPECT_TRUE(harness.start()); }

  uint64_t records() const { return harness.registry.total(Metric::kStoredRecords); }

  io::LossyFileSystem files;
  testing::IngestHarness harness;
  const std::string event = one_event("a");
};

TEST_F(Repeats, StoredBeforeIsAckedAtOnce) {
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId, "192.0.2.77"), Verdict::kDone);
  EXPECT_EQ(records(), 1U);
  EXPECT_EQ(harness.registry.total(Metric::kRepeatStored), 1U);
}

TEST_F(Repeats, UnderWayIsAckedWithTheFirst) {
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  EXPECT_EQ(harness.stored_count, 0U);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 2U);
  EXPECT_EQ(records(), 1U);
  EXPECT_EQ(harness.registry.total(Metric::kRepeatUnderWay), 1U);
}

TEST_F(Repeats, OtherContentUnderTheSameIdIsStored) {
  harness.receive("app.a", event, kFluentdId);
  harness.receive("app.a", one_event("b"), kFluentdId);
  harness.receive("app.b", event, kFluentdId);
  harness.commit();
  EXPECT_EQ(records(), 3U);
}

TEST_F(Repeats, EqualContentOfTwoPeersIsStoredTwice) {
  harness.receive("app.a", event, kOtherId, "192.0.2.1");
  harness.receive("app.a", event, kOtherId, "192.0.2.2");
  harness.commit();
  EXPECT_EQ(records(), 2U);
}

TEST_F(Repeats, EqualContentAfterTheNextMessageIsNewButNotBefore) {
  ConnectionNote first;
  ConnectionNote second;
  harness.receive("app.a", event, kOtherId, "192.0.2.1", &first);
  harness.commit();
  // The ack was lost: the same message over another connection.
  EXPECT_EQ(harness.receive("app.a", event, kOtherId, "192.0.2.1", &second), Verdict::kDone);
  // That one reads its ack and goes on, with the same content.
  EXPECT_EQ(harness.receive("app.a", event, kOtherId, "192.0.2.1", &second), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), 2U);
}

// A client that sends on without having read the ack: equal content is new there too.
TEST_F(Repeats, EqualMessagesThatAreUnderWayOnOneConnectionAreAllStored) {
  ConnectionNote note;
  for (int times = 0; times < 3; ++times) {
    EXPECT_EQ(harness.receive("app.a", event, kOtherId, "192.0.2.1", &note), Verdict::kTaken);
  }
  EXPECT_EQ(harness.stored_count, 0U);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 3U);
  EXPECT_EQ(records(), 3U);
  EXPECT_EQ(harness.receive("app.a", event, kOtherId), Verdict::kDone) << "the ack was lost";
}

// Its acks may be lost with the connection: nobody has read them.
TEST_F(Repeats, DifferentMessagesThatWereUnderWayOnOneConnectionAreKnown) {
  ConnectionNote note;
  const std::string other = one_event("b");
  harness.receive("app.a", event, kOtherId, "192.0.2.1", &note);
  harness.receive("app.a", other, kOtherId, "192.0.2.1", &note);
  harness.commit();
  EXPECT_EQ(harness.receive("app.a", event, kOtherId), Verdict::kDone);
  EXPECT_EQ(harness.receive("app.a", other, kOtherId), Verdict::kDone);
  EXPECT_EQ(records(), 2U);
}

TEST_F(Repeats, FluentdsIdsDoNotEnd) {
  ConnectionNote note;
  harness.receive("app.a", event, kFluentdId, "192.0.2.1", &note);
  harness.commit();
  harness.receive("app.a", one_event("b"), kFluentdId, "192.0.2.1", &note);
  harness.commit();
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kDone);
}

TEST_F(Repeats, WithoutAnIdEverythingIsNew) {
  harness.receive("app.a", event);
  harness.receive("app.a", event);
  harness.commit();
  EXPECT_EQ(records(), 2U);
}

// The last commit is written again at start, those before it are proved.
TEST_F(Repeats, AfterARestartTheKeysAreThere) {
  harness.receive("app.a", event, kFluentdId);
  harness.commit();
  harness.receive("app.a", one_event("b"), kFluentdId);
  harness.commit();
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kDone);
  EXPECT_EQ(harness.receive("app.a", one_event("b"), kFluentdId), Verdict::kDone);
  EXPECT_EQ(records(), 2U);
}

TEST_F(Repeats, WhatWasNotDurableIsStored) {
  harness.receive("app.a", event, kFluentdId);
  harness.stop();
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), 1U);
}

TEST_F(Repeats, NothingOfAMessageThatIsDroppedIsKept) {
  EXPECT_EQ(harness.receive("app.a", "\x92\xce", kFluentdId), Verdict::kDone);
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), 1U);
}

TEST_F(Repeats, TheWindowEnds) {
  harness.receive("app.a", event, kFluentdId);
  harness.commit();
  harness.clock.running += 2 * harness.dedup_window_ms;
  harness.receive("app.a", one_event("b"), kFluentdId);
  EXPECT_EQ(harness.receive("app.a", event, kFluentdId), Verdict::kTaken);
  harness.commit();
  EXPECT_EQ(records(), 3U);
}

TEST_F(Repeats, AWindowOfZeroTurnsItOff) {
  harness.stop();
  harness.dedup_window_ms = 0;
  ASSERT_TRUE(harness.start());
  harness.receive("app.a", event, kFluentdId);
  harness.receive("app.a", event, kFluentdId);
  harness.commit();
  EXPECT_EQ(records(), 2U);
}

TEST_F(Repeats, WhoeverWaitsForARefusedCommitWaitsOn) {
  files.fail_syncs(1000);
  harness.receive("app.a", event, kFluentdId);
  harness.receive("app.a", event, kFluentdId);
  harness.commit_in_vain();
  EXPECT_EQ(harness.stored_count, 0U);
  files.fail_syncs(0);
  harness.clock.running += buffer::LogWriter::kProbeEveryMs;
  harness.commit();
  EXPECT_EQ(harness.stored_count, 2U);
  EXPECT_EQ(records(), 1U);
}

}  // namespace
}  // namespace millrace::ingest
