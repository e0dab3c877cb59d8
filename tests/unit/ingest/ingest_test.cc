// SPDX-License-Identifier: Apache-2.0
// What the requests of a commit are told, and that a message over several chunks stays whole.

#include "ingest/ingest.h"

#include <gtest/gtest.h>

#include <latch>

#include "io/faulty.h"
#include "io/lossy.h"
#include "kpl/aggregate_reader.h"
#include "tests/support/ingest_harness.h"

namespace millrace::ingest {
namespace {

using input::Verdict;
using testing::IngestHarness;
using testing::packed_entry;

config::Match match_of(uint64_t chunk_limit_size) {
  config::Match match;
  match.patterns = {"app.**"};
  match.type = config::OutputType::kKinesisAggregation;
  match.id = "to_kinesis";
  match.buffer.chunk_limit_size = chunk_limit_size;
  match.format.inject = false;
  return match;
}

std::string events(uint32_t from, uint32_t to) {
  std::string out;
  for (uint32_t n = from; n < to; ++n) {
    out += packed_entry(1'700'000'000, 0, {{"n", std::to_string(n)}});
  }
  return out;
}

// The data of all user records of all queued chunks, in order.
std::vector<std::string> delivered(IngestHarness& harness) {
  std::vector<std::string> records;
  buffer::ChunkReader reader = harness.log().make_reader();
  buffer::LoadedChunk loaded;
  while (harness.log().queue().counts().due > 0) {
    const buffer::QueuedChunk chunk = *harness.log().queue().take();
    EXPECT_TRUE(reader.read(chunk, loaded));
    auto aggregate = kpl::read_aggregate(loaded.bytes);
    CHECK(aggregate && *aggregate);
    for (const kpl::UserRecord& user : (*aggregate)->records) {
      records.emplace_back(user.data);
    }
    EXPECT_EQ(loaded.records, (*aggregate)->records.size());
    EXPECT_EQ(loaded.seal.records, loaded.records);
    harness.log().finish(chunk, buffer::Finish::kDelivered);
  }
  return records;
}

TEST(Ingest, NothingIsStoredBeforeItsCommit) {
  io::LossyFileSystem files;
  IngestHarness harness(files, "/root", match_of(300 << 10));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.web", events(0, 2), "p8Kz"), Verdict::kTaken);
  EXPECT_EQ(harness.receive("other", events(2, 3), "p8L0"), Verdict::kTaken);
  EXPECT_EQ(harness.stored_count, 0U);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 2U);
  EXPECT_EQ(harness.failed_count, 0U);
}

// Two were acked and one has come back: the other is waited for, and the loop's timer is set. How
// long it waits depends on how long the commit took, so it may take some tries to see it.
TEST(Ingest, ASmallBatchWaitsForWhoWasAckedJustNow) {
  io::LossyFileSystem files;
  IngestHarness harness(files, "/root", match_of(300 << 10));
  ASSERT_TRUE(harness.start());
  size_t sent = 0;
  for (int tries = 0; tries < 1000 && !harness.submit_wanted_soon; ++tries) {
    harness.receive("app.web", events(0, 1), "a" + std::to_string(++sent));
    harness.receive("app.web", events(0, 1), "b" + std::to_string(++sent));
    harness.commit();
    harness.receive("app.web", events(0, 1), "a" + std::to_string(++sent));
    harness.end_turn();
  }
  ASSERT_TRUE(harness.submit_wanted_soon);
  EXPECT_EQ(harness.stored_count, sent - 1);
  while (harness.submit_wanted_soon) harness.end_turn();  // as the timer would
  harness.commit_until_stored(sent);
}

TEST(Ingest, AFailedSyncIsNothingToAClient) {
  io::LossyFileSystem files;
  IngestHarness harness(files, "/root", match_of(300 << 10));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.web", events(0, 2), "p8Kz"), Verdict::kTaken);
  files.fail_syncs(1);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 1U);
  EXPECT_EQ(harness.registry.total(metrics::Metric::kFailOvers), 1U);
}

TEST(Ingest, WhatADiskRefusesIsNotAckedAndTheRestWaits) {
  io::LossyFileSystem disk;
  io::FaultyFileSystem files(disk);
  IngestHarness harness(files, "/root", match_of(300 << 10));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.web", events(0, 2), "p8Kz"), Verdict::kTaken);
  std::latch more_is_laid_out(1);
  files.set(io::Fault{.call = io::Call::kSync,
                      .path_glob = "/root/worker0/to_kinesis/*",
                      .times = io::kForEver,
                      .before = [&] { more_is_laid_out.wait(); }});
  harness.submit();
  EXPECT_EQ(harness.receive("app.web", events(2, 4), "p8L0"), Verdict::kTaken);
  more_is_laid_out.count_down();
  harness.commit_in_vain();
  EXPECT_EQ(harness.stored_count, 0U);
  EXPECT_EQ(harness.receive("app.web", events(4, 5), "p8L1"), Verdict::kNotNow);
  EXPECT_EQ(harness.receive("other", events(0, 1), "p8L2"), Verdict::kTaken);  // another buffer
  files.set(std::nullopt);
  harness.clock.running += buffer::LogWriter::kProbeEveryMs;
  harness.commit_until_stored(3);
  EXPECT_EQ(harness.stored_count, 3U);
  EXPECT_EQ(harness.failed_count, 0U);
  EXPECT_EQ(harness.receive("app.web", events(4, 5), "p8L1"), Verdict::kTaken);
  harness.seal(buffer::SealReason::kForced);
  EXPECT_EQ(delivered(harness).size(), 5U);
}

TEST(Ingest, F8ALogThatRefusesHoldsUpNoOtherOfItsWorker) {
  io::LossyFileSystem disk;
  io::FaultyFileSystem files(disk);
  IngestHarness harness(files, "/root", match_of(300 << 10));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.web", events(0, 2), "p8Kz"), Verdict::kTaken);
  files.set(io::Fault{
      .call = io::Call::kSync, .path_glob = "/root/worker0/to_kinesis/*", .times = io::kForEver});
  harness.commit_in_vain();
  for (size_t stored = 1; stored <= 3; ++stored) {
    EXPECT_EQ(harness.receive("other", events(0, 1), "p8L" + std::to_string(stored)),
              Verdict::kTaken);
    harness.commit_until_stored(stored);
  }
  EXPECT_TRUE(harness.log().refusing());
  files.set(std::nullopt);
  harness.clock.running += buffer::LogWriter::kProbeEveryMs;
  harness.commit();
  EXPECT_EQ(harness.stored_count, 4U);
  EXPECT_EQ(harness.failed_count, 0U);
  EXPECT_EQ(files.syncs_after_failure(), 0U);
}

TEST(Ingest, AMessageOverSeveralChunksIsWholeAndInOrder) {
  io::LossyFileSystem files;
  IngestHarness harness(files, "/root", match_of(1000));
  ASSERT_TRUE(harness.start());
  EXPECT_EQ(harness.receive("app.web", events(1000, 1200), "p8Kz"), Verdict::kTaken);
  harness.seal(buffer::SealReason::kForced);
  EXPECT_GT(harness.log().queue().counts().due, 3U);
  const std::vector<std::string> records = delivered(harness);
  ASSERT_EQ(records.size(), 200U);
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i], R"({"n":")" + std::to_string(1000 + i) + R"("})");
  }
}

}  // namespace
}  // namespace millrace::ingest
