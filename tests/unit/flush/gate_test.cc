// SPDX-License-Identifier: Apache-2.0
// The breaker with threads before it.

#include "flush/gate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "tests/support/memory_files.h"
#include "tests/support/scripted_io.h"

namespace millrace::flush {
namespace {

using metrics::Metric;
using output::Outcome;

ChunkId chunk(uint8_t n) {
  ChunkId id;
  id.bytes[15] = n;
  return id;
}

class GateTest : public ::testing::Test {
 protected:
  ~GateTest() override {
    stopped_ = true;
    gate_.wake();
    for (std::thread& thread : threads_) thread.join();
  }

  void note(const Permit& permit, Outcome outcome, uint8_t n, bool failed_before = false) {
    gate_.note(permit,
               Answer{.outcome = outcome,
                      .chunk_id = chunk(n),
                      .bytes = 1000,
                      .failed_before = failed_before},
               "no route");
  }
  Permit enter() { return gate_.enter({.bytes = 1000}, stopped_).value(); }
  void open() {
    note(Permit{}, Outcome::kUnavailable, 1);
    note(Permit{}, Outcome::kUnavailable, 2);
    ASSERT_STREQ(gate_.status().state, "open");
  }
  // Threads that pass once and say so.
  void start_threads(int count) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        if (const auto permit = gate_.enter({.bytes = 1000}, stopped_)) {
          ++passed_;
          if (answers_) note(*permit, Outcome::kCommitted, 3);
        } else {
          ++turned_away_;
        }
      });
    }
  }
  static bool until(const std::function<bool()>& reached) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!reached()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  uint64_t total(Metric metric) const { return registry_.total(metric, "out"); }

  testing::MemoryFileSystem files_;
  testing::ScriptedClock clock_;
  testing::ScriptedRandom random_;
  metrics::Registry registry_;
  config::Buffer options_;
  Gate gate_{io::Io{files_, clock_, random_}, "out", options_, registry_};
  std::atomic<bool> stopped_{false};
  std::atomic<int> passed_{0};
  std::atomic<int> turned_away_{0};
  std::atomic<bool> answers_{false};  // those that pass are told that all is well
  std::vector<std::thread> threads_;
};

TEST_F(GateTest, WhileTheOutputAnswersEverybodyPasses) {
  for (int i = 0; i < 1000; ++i) {
    const Permit permit = enter();
    EXPECT_EQ(permit.kind, Permit::Kind::kFree);
    note(permit, Outcome::kCommitted, 1);
  }
  EXPECT_STREQ(gate_.status().state, "closed");
  EXPECT_EQ(total(Metric::kBreakerOpens), 0U);
}

// Also if the breaker is not told of each.
TEST_F(GateTest, AnAnswerEndsWhatFailedBeforeIt) {
  for (int i = 0; i < 100; ++i) {
    note(enter(), Outcome::kUnavailable, 1, true);
    ASSERT_EQ(gate_.status().opens, 0U);
    note(enter(), Outcome::kCommitted, 2);
  }
}

TEST_F(GateTest, AnAnswerJustNowMakesItTrustTheServiceLonger) {
  clock_.running += 1'000'000;
  note(enter(), Outcome::kCommitted, 1);
  for (uint8_t n = 2; n < 6; ++n) note(enter(), Outcome::kUnavailable, n);
  EXPECT_EQ(gate_.status().opens, 0U);
  note(enter(), Outcome::kUnavailable, 6);
  EXPECT_EQ(gate_.status().opens, 1U);
}

TEST_F(GateTest, OneOfManyThreadsProbesAndAllGoWhenItCameThrough) {
  open();
  EXPECT_EQ(total(Metric::kBreakerOpen), 1U);
  EXPECT_EQ(gate_.status().last_error, "no route");
  EXPECT_TRUE(gate_.told(Outcome::kUnavailable));
  start_threads(32);
  clock_.running += gate_.status().next_probe_ms;
  gate_.wake();
  ASSERT_TRUE(until([this] { return passed_ == 1; }));
  clock_.running += 3'600'000;
  gate_.wake();
  EXPECT_STREQ(gate_.status().state, "probing");
  EXPECT_EQ(passed_, 1);
  answers_ = true;
  Permit probe{.kind = Permit::Kind::kProbe, .period = 1};
  note(probe, Outcome::kCommitted, 3);
  EXPECT_TRUE(until([this] { return passed_ == 32; }));
  EXPECT_EQ(total(Metric::kBreakerProbes), 1U);
  EXPECT_EQ(total(Metric::kBreakerOpens), 1U);
  EXPECT_EQ(total(Metric::kBreakerOpen), 0U);
  EXPECT_EQ(gate_.status().last_error, "");
  EXPECT_FALSE(gate_.told(Outcome::kUnavailable));
}

// Another chunk may be due by then, which may go.
TEST_F(GateTest, WhoHasOnlyChunksThatFailedLooksAgainAfterASecond) {
  open();
  for (int i = 0; i < 4; ++i) {
    threads_.emplace_back([this] {
      if (gate_.enter({.bytes = 1000, .failed = true}, stopped_)) ++passed_;
      ++turned_away_;
    });
  }
  EXPECT_TRUE(until([this] { return turned_away_ == 4; }));
  EXPECT_EQ(passed_, 0);
  start_threads(1);
  clock_.running += gate_.status().next_probe_ms;
  EXPECT_TRUE(until([this] { return passed_ == 1; })) << "nobody else watches the time for it";
}

TEST_F(GateTest, AStopTurnsAllAwayAtOnce) {
  open();
  start_threads(8);
  stopped_ = true;
  gate_.wake();
  EXPECT_TRUE(until([this] { return turned_away_ == 8; }));
  EXPECT_EQ(passed_, 0);
  EXPECT_TRUE(gate_.status().hopeless);
}

TEST_F(GateTest, ThrottledRequestsAreSpaced) {
  note(Permit{}, Outcome::kThrottled, 1);
  EXPECT_STREQ(gate_.status().state, "throttled");
  EXPECT_TRUE(gate_.told(Outcome::kThrottled));
  EXPECT_FALSE(gate_.told(Outcome::kUnavailable));
  EXPECT_EQ(total(Metric::kBreakerThrottled), 1U);
  EXPECT_EQ(total(Metric::kBreakerThrottles), 1U);
  start_threads(8);
  ASSERT_TRUE(until([this] { return passed_ >= 1; }));
  while (passed_ < 8) {
    const int before = passed_;
    clock_.running += 1'300;  // two a second to begin with, and each answer may be a little late
    gate_.wake();
    ASSERT_TRUE(until([&] { return passed_ > before; }));
    EXPECT_LE(passed_ - before, 4);
  }
  clock_.running += 60'000;
  EXPECT_STREQ(gate_.status().state, "closed");
  EXPECT_EQ(total(Metric::kBreakerThrottled), 0U);
}

// What was delivered in the second before is where the spacing begins.
TEST_F(GateTest, TheFirstRefusalFindsTheRateOfBefore) {
  for (int i = 0; i < 200; ++i) {
    note(Permit{}, Outcome::kCommitted, 1);  // 1000 bytes every 10 ms
    clock_.running += 10;
  }
  note(Permit{}, Outcome::kThrottled, 1);
  ASSERT_EQ(enter().kind, Permit::Kind::kPaced);
  start_threads(1);
  clock_.running += 13;
  gate_.wake();
  EXPECT_TRUE(until([this] { return passed_ == 1; }));
}

// A large chunk that fails again gives its second back: who has a small one must not sleep it out.
TEST_F(GateTest, AMomentThatComesNearerIsNotSleptThrough) {
  for (int i = 0; i < 200; ++i) {
    note(Permit{}, Outcome::kCommitted, 1);
    clock_.running += 10;
  }
  note(Permit{}, Outcome::kThrottled, 1);
  note(enter(), Outcome::kThrottled, 1);
  std::chrono::steady_clock::duration waited{};
  for (int round = 1; round <= 5; ++round) {
    clock_.running += 1'000;
    Permit permit = enter();
    buffer::QueuedChunk large;
    large.body_bytes = 100'000;
    large.failures = 1;
    start_threads(4);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // they wait for a small one
    gate_.use(permit, large);
    ASSERT_GT(permit.gap_ms, 700.0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // and now for the second
    const auto begin = std::chrono::steady_clock::now();
    note(permit, Outcome::kUnavailable, 9, true);
    while (passed_ < 4 * round) {
      clock_.running += 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    waited += std::chrono::steady_clock::now() - begin;
  }
  EXPECT_LT(waited, std::chrono::seconds(2)) << "20 small ones, some milliseconds each";
}

TEST_F(GateTest, AProbeThatIsNotUsedIsAnothers) {
  open();
  clock_.running += gate_.status().next_probe_ms;
  const Permit probe = enter();
  EXPECT_EQ(probe.kind, Permit::Kind::kProbe);
  gate_.cancel(probe);
  EXPECT_EQ(gate_.status().probes, 0U);
  EXPECT_EQ(enter().kind, Permit::Kind::kProbe);
}

TEST_F(GateTest, TellsSinceWhenNothingIsAnswered) {
  EXPECT_EQ(gate_.failing_since_ms(), 0U);
  const uint64_t first = clock_.running;
  note(Permit{}, Outcome::kUnavailable, 1);
  clock_.running += 500;
  note(Permit{}, Outcome::kUnavailable, 2);
  EXPECT_EQ(gate_.failing_since_ms(), first);
  clock_.running += 35'000;
  EXPECT_EQ(gate_.status().since_ms, 35'000U);
  note(enter(), Outcome::kCommitted, 1);
  EXPECT_EQ(gate_.failing_since_ms(), 0U);
}

}  // namespace
}  // namespace millrace::flush
