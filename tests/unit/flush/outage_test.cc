// SPDX-License-Identifier: Apache-2.0
// Long trouble in virtual time: flush threads and a log as they are, an output that is away, slow
// or refuses one chunk, and a clock that the test moves.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <tuple>

#include "flush/flush_pool.h"
#include "tests/support/answering_output.h"
#include "tests/support/log_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::flush {
namespace {

using buffer::SealReason;
using metrics::Metric;
using output::Delivery;
using output::Outcome;
using output::PutResult;
using testing::LogHarness;

constexpr uint64_t kHourMs = 3'600'000;

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0;
  uint64_t resident = 0;
  statm >> pages >> resident;
  return resident * 4096;
}

class OutageTest : public ::testing::Test {
 protected:
  struct Seen {
    size_t record_hash = 0;
    uint64_t attempts = 0;
    bool delivered = false;
    uint64_t delivered_ms = 0;
  };

  PutResult answer(const Delivery& delivery) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    Seen& seen = seen_[delivery.chunk_id.hex()];
    const size_t hash = std::hash<std::string_view>()(delivery.record);
    if (seen.attempts == 0) seen.record_hash = hash;
    same_bytes_ = same_bytes_ && seen.record_hash == hash;
    once_ = once_ && !seen.delivered;
    ++seen.attempts;
    PutResult result = judge_(delivery);
    if (result.outcome == Outcome::kCommitted) {
      seen.delivered = true;
      seen.delivered_ms = harness_.clock.running;
      last_delivered_ms_ = harness_.clock.running;
    }
    return result;
  }

  void start(uint32_t threads) {
    options_.flush_thread_count = threads;
    outlet_ = std::make_unique<Outlet>(harness_.io(), output_, "out", options_, harness_.registry);
    pool_ = std::make_unique<FlushPool>(harness_.io(), harness_.log(), *outlet_, threads,
                                        harness_.registry);
  }

  // That many chunks of one record each, queued; fewer if the log is full.
  size_t queue_chunks(size_t count, size_t bytes) {
    size_t queued = 0;
    while (queued < count && harness_.log().room(bytes) == buffer::Room::kYes) {
      const size_t together = std::min<size_t>(100, count - queued);
      for (size_t i = 0; i < together; ++i) {
        const std::string record = "record " + std::to_string(next_record_++) + ";";
        harness_.append({record + std::string(bytes - record.size(), '.')}, std::to_string(i));
      }
      harness_.log().appender().seal_all(SealReason::kForced);
      EXPECT_TRUE(harness_.commit());
      queued += together;
    }
    return queued;
  }

  bool until(const std::function<bool()>& reached, uint64_t step_ms = 0) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!reached()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      harness_.clock.running += step_ms;
      if (step_ms > 0) outlet_->gate.wake();
      std::this_thread::yield();
    }
    return true;
  }
  bool until_finished(uint64_t step_ms) {
    return until([this] { return harness_.log().status().unfinished_bytes == 0; }, step_ms);
  }
  uint64_t requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  // Goes from probe to probe until `end_ms`; false if one does not come.
  bool pass_outage(uint64_t end_ms) {
    while (harness_.clock.running < end_ms) {
      const GateStatus now = outlet_->gate.status();
      harness_.clock.running += now.next_probe_ms;
      outlet_->gate.wake();
      if (!until([&] {
            const GateStatus then = outlet_->gate.status();
            return then.probes > now.probes && std::string(then.state) == "open";
          })) {
        return false;
      }
    }
    return true;
  }

  std::mutex mutex_;  // guards those up to the files
  std::function<PutResult(const Delivery&)> judge_ = [](const Delivery&) {
    return PutResult{.outcome = Outcome::kCommitted};
  };
  std::map<std::string, Seen> seen_;
  uint64_t requests_ = 0;
  uint64_t last_delivered_ms_ = 0;
  bool same_bytes_ = true;
  bool once_ = true;

  testing::MemoryFileSystem files_;
  LogHarness harness_{files_};
  testing::AnsweringOutput output_{[this](const Delivery& delivery) { return answer(delivery); }};
  config::Buffer options_;
  std::unique_ptr<Outlet> outlet_;
  std::unique_ptr<FlushPool> pool_;
  uint64_t next_record_ = 0;
};

TEST_F(OutageTest, OneDayAwayWithAFullBufferLosesNothing) {
  harness_.total_limit = 8 << 20;
  ASSERT_TRUE(harness_.start());
  bool away = true;
  judge_ = [&](const Delivery&) {
    return away ? PutResult{.outcome = Outcome::kUnavailable, .detail = "no route"}
                : PutResult{.outcome = Outcome::kCommitted};
  };
  const size_t chunks = queue_chunks(1'000'000, 800);
  ASSERT_EQ(harness_.log().room(800), buffer::Room::kFull);
  const uint64_t begun = harness_.clock.running;
  start(16);
  ASSERT_TRUE(until([this] { return std::string(outlet_->gate.status().state) == "open"; }));
  const uint64_t at_once = requests();
  EXPECT_LE(at_once, 16U + 1) << "each thread, and perhaps a first probe";
  ASSERT_TRUE(pass_outage(begun + kHourMs));
  const uint64_t memory = resident_bytes();
  ASSERT_TRUE(pass_outage(begun + 24 * kHourMs));
  const uint64_t grown = resident_bytes() - std::min(resident_bytes(), memory);
  const uint64_t asked = requests();
  // One request for each back-off: 1 s, 2 s ... 30 s, an eighth more or less.
  EXPECT_LE(asked, at_once + 6 + 24 * kHourMs / 26'250 + 1);
  EXPECT_GE(asked, 24 * kHourMs / 33'750);
  EXPECT_EQ(harness_.log().room(800), buffer::Room::kFull) << "agents wait meanwhile";
  EXPECT_EQ(harness_.log().queue().counts().queued, chunks);
  {
    const std::lock_guard lock(mutex_);
    away = false;
  }
  ASSERT_TRUE(until_finished(10));
  pool_.reset();
  std::printf(
      "    24 h away: %zu chunks, %lu requests (%lu at once, then one a back-off), resident memory "
      "+%lu KiB in 23 h; afterwards all delivered\n",
      chunks, asked, at_once, grown / 1024);
  EXPECT_EQ(seen_.size(), chunks);
  EXPECT_TRUE(same_bytes_);
  EXPECT_TRUE(once_);
  for (const auto& [id, seen] : seen_) EXPECT_TRUE(seen.delivered) << id;
  EXPECT_LT(grown, 32U << 20);
  EXPECT_EQ(harness_.registry.total(Metric::kPutCommitted, "out"), chunks);
  EXPECT_EQ(harness_.log().queue().counts().dead_letters, 0U);
}

// A request takes a millisecond here. Whatever one chunk's fault is, somebody delivers meanwhile.
class PoisonTest : public OutageTest,
                   public ::testing::WithParamInterface<std::tuple<Outcome, uint32_t>> {};

TEST_P(PoisonTest, AmongTenThousandHoldsNobodyUp) {
  const auto [fault, threads] = GetParam();
  ASSERT_TRUE(harness_.start());
  uint64_t gap_most = 0;
  judge_ = [&, fault = fault](const Delivery& delivery) {
    harness_.clock.running += 1;
    if (delivery.record.find("record 4;") != std::string_view::npos) {
      return PutResult{.outcome = fault, .detail = "status 500"};
    }
    gap_most = std::max(gap_most, harness_.clock.running - last_delivered_ms_);
    return PutResult{.outcome = Outcome::kCommitted};
  };
  ASSERT_EQ(queue_chunks(10'000, 200), 10'000U);
  last_delivered_ms_ = harness_.clock.running;
  start(threads);
  const size_t waiting = fault == Outcome::kRejected ? 0 : 1;
  ASSERT_TRUE(until([this, waiting] {
    const buffer::ChunkQueue::Counts counts = harness_.log().queue().counts();
    return counts.queued <= waiting && counts.in_flight == 0;
  }));
  pool_.reset();
  size_t delivered = 0;
  for (const auto& [id, seen] : seen_) delivered += seen.delivered ? 1 : 0;
  std::printf(
      "    poison %s, %u threads: %zu others delivered, never longer than %lu ms without "
      "one\n",
      std::string(output::outcome_name(fault)).c_str(), threads, delivered, gap_most);
  EXPECT_EQ(delivered, 9'999U);
  EXPECT_LE(gap_most, 1'000U);
  harness_.log().tend();
  const bool refused = fault == Outcome::kRejected;
  EXPECT_EQ(harness_.registry.total(Metric::kDeadRefused, "out"), refused ? 1U : 0U);
  EXPECT_EQ(harness_.log().status().unfinished_bytes, refused ? 0U : 200U);
}

INSTANTIATE_TEST_SUITE_P(Faults, PoisonTest,
                         ::testing::Combine(::testing::Values(Outcome::kAmbiguous,
                                                              Outcome::kRejected),
                                            ::testing::Values(1U, 4U)));

// So many chunks fail for ever, stored one after the other, while others come one after the other.
class PoisonsTest : public OutageTest,
                    public ::testing::WithParamInterface<std::tuple<Outcome, uint32_t, uint32_t>> {
 protected:
  // The longest that one of `count` others waited, in virtual time; each ms of it takes one of real
  // time at least, so that the threads keep up.
  uint64_t longest_of(size_t count) {
    uint64_t longest = 0;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t queued_ms = harness_.clock.running;
      EXPECT_EQ(queue_chunks(1, 100), 1U);
      const size_t wanted = ++others_;
      const auto arrived = [&] {
        const std::lock_guard lock(mutex_);
        return delivered_ >= wanted;
      };
      while (harness_.clock.running < queued_ms + 25 || !arrived()) {
        if (harness_.clock.running > queued_ms + 10'000) return harness_.clock.running - queued_ms;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        harness_.clock.running += 1;
        outlet_->gate.wake();
      }
      const std::lock_guard lock(mutex_);
      longest = std::max(longest, last_ms_ - queued_ms);
    }
    return longest;
  }

  size_t others_ = 0;     // that were queued
  size_t delivered_ = 0;  // of them; under mutex_, as the next
  uint64_t last_ms_ = 0;
};

TEST_P(PoisonsTest, HoldNobodyUp) {
  const auto [fault, count, threads] = GetParam();
  ASSERT_TRUE(harness_.start());
  judge_ = [&, fault = fault, poisons = size_t{count}](const Delivery& delivery) {
    const size_t at = delivery.record.find("record ");
    if (std::stoul(std::string(delivery.record.substr(at + 7, 6))) < poisons) {
      return PutResult{.outcome = fault, .detail = "cut off", .retry_after_ms = 10'000};
    }
    ++delivered_;
    last_ms_ = harness_.clock.running;
    return PutResult{.outcome = Outcome::kCommitted};
  };
  ASSERT_EQ(queue_chunks(count, 100), count);
  start(threads);
  const uint64_t at_first = longest_of(15);
  const uint64_t later = longest_of(10);
  std::printf("    %u poisons, %u threads: others waited for %lu ms at most, later %lu ms\n", count,
              threads, at_first, later);
  EXPECT_LE(at_first, 1'000U + 200U);
  EXPECT_LE(later, 1'000U);
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(delivered_, 25U);
  EXPECT_TRUE(same_bytes_ && once_);
}

INSTANTIATE_TEST_SUITE_P(OfAllKinds, PoisonsTest,
                         ::testing::Values(std::tuple(Outcome::kAmbiguous, 2U, 4U),
                                           std::tuple(Outcome::kAmbiguous, 12U, 1U),
                                           std::tuple(Outcome::kNotAuthorized, 1U, 1U),
                                           std::tuple(Outcome::kNotAuthorized, 5U, 1U),
                                           std::tuple(Outcome::kNotAuthorized, 12U, 4U)));

TEST_F(OutageTest, AnErrorOfTheDiskIsOnlyItsChunks) {
  ASSERT_TRUE(harness_.start());
  ASSERT_EQ(queue_chunks(1, 100), 1U);
  buffer::QueuedChunk unreadable = *harness_.log().queue().take();
  unreadable.seal_lsn += 8;  // where no SEAL is
  harness_.log().queue().give_back(unreadable);
  options_.retry_wait_ms = 1;
  options_.retry_max_interval_ms = 1;
  start(1);
  ASSERT_TRUE(
      until([this] { return harness_.registry.total(Metric::kFlushRetries, "out") > 20; }, 1));
  EXPECT_EQ(outlet_->gate.status().opens, 0U);
  EXPECT_STREQ(outlet_->gate.status().state, "closed");
  ASSERT_EQ(queue_chunks(10, 100), 10U);
  EXPECT_TRUE(until([this] { return requests() == 10; }, 1));
}

TEST_F(OutageTest, AStopDoesNotWaitForTheOutput) {
  ASSERT_TRUE(harness_.start());
  judge_ = [](const Delivery&) {
    return PutResult{.outcome = Outcome::kUnavailable, .detail = "no route"};
  };
  ASSERT_EQ(queue_chunks(100, 100), 100U);
  start(8);
  ASSERT_TRUE(until([this] { return std::string(outlet_->gate.status().state) == "open"; }));
  pool_->stop(false);  // returns, though the clock stands
  EXPECT_EQ(harness_.log().queue().counts().queued, 100U);
  EXPECT_EQ(harness_.log().queue().counts().in_flight, 0U);
}

// T11: no limit passes and nothing gets stuck because the clock on the wall jumps or stands.
TEST_F(OutageTest, JumpsOfTheWallClockChangeNothing) {
  constexpr int64_t kSecondUs = 1'000'000;
  constexpr int64_t kYearUs = 31'557'600 * kSecondUs;
  const int64_t jumps[] = {
      3600 * kSecondUs, -3600 * kSecondUs, 10 * kYearUs, -10 * kYearUs, kSecondUs, -kSecondUs, 0};
  options_.retry_timeout_ms = 600'000;
  ASSERT_TRUE(harness_.start());
  bool away = true;
  judge_ = [&](const Delivery&) {
    return away ? PutResult{.outcome = Outcome::kUnavailable, .detail = "no route"}
                : PutResult{.outcome = Outcome::kCommitted};
  };
  ASSERT_EQ(queue_chunks(50, 100), 50U);
  const uint64_t begun = harness_.clock.running;
  start(4);
  ASSERT_TRUE(until([this] { return std::string(outlet_->gate.status().state) == "open"; }));
  size_t jumped = 0;
  while (harness_.clock.running < begun + 300'000) {  // half of the limit
    harness_.clock.wall += static_cast<uint64_t>(jumps[jumped++ % std::size(jumps)]);
    ASSERT_TRUE(pass_outage(harness_.clock.running + 1));
    ASSERT_EQ(harness_.log().queue().counts().dead_letters, 0U);
  }
  {
    const std::lock_guard lock(mutex_);
    away = false;
  }
  harness_.clock.wall -= static_cast<uint64_t>(10 * kYearUs);
  ASSERT_TRUE(until_finished(100));
  pool_.reset();
  std::printf("    %zu jumps of the wall clock: 50 of 50 chunks delivered, none given up\n",
              jumped);
  EXPECT_TRUE(once_);
  EXPECT_EQ(seen_.size(), 50U);
}

// The limit of time goes by what the output was away, also for chunks that were not tried.
TEST_F(OutageTest, TheLimitOfTimeCountsWhileTheOutputIsAway) {
  options_.retry_timeout_ms = 60'000;
  ASSERT_TRUE(harness_.start());
  judge_ = [](const Delivery&) {
    return PutResult{.outcome = Outcome::kUnavailable, .detail = "no route"};
  };
  ASSERT_EQ(queue_chunks(20, 100), 20U);
  start(2);
  const uint64_t begun = harness_.clock.running;
  ASSERT_TRUE(until([this] { return std::string(outlet_->gate.status().state) == "open"; }));
  while (harness_.log().queue().counts().dead_letters < 12) {
    ASSERT_TRUE(pass_outage(harness_.clock.running + 1));
    if (harness_.clock.running < begun + 60'000) {
      ASSERT_EQ(harness_.log().queue().counts().dead_letters, 0U);
    }
  }
  EXPECT_LE(harness_.clock.running - begun, 60'000 + 13 * 33'750U) << "one with each probe";
}

}  // namespace
}  // namespace millrace::flush
