// SPDX-License-Identifier: Apache-2.0
// Crashes while chunks are moved, on the simulated disk: before every operation of it, and within
// the recoveries that follow. And the log's account of what is needed, beside a count of its own.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/fault/enumerator.h"
#include "tests/support/live_recount.h"
#include "tests/support/sanitized.h"

namespace millrace::fault {
namespace {

using metrics::Metric;

constexpr uint64_t kStates = testing::unless_sanitized(1500, 100);

class Moves : public ::testing::Test {
 protected:
  Moves() { log::configure(log::Level::kError, log::Format::kText); }
  ~Moves() override { log::configure(log::Level::kInfo, log::Format::kText); }
};

/// What happens, a step after the other.
class Script {
 public:
  Script() {
    plan_.chunk_bytes_max = 190'000;
    plan_.spill_after_ms = 100;
  }
  void send(uint32_t bytes, uint32_t stage = 0) {
    plan_.steps.push_back(Step{.act = Act::kSend, .value = plan_.requests.size()});
    const auto number = static_cast<uint32_t>(plan_.requests.size());
    plan_.requests.push_back(Request{.number = number, .stage = stage, .record_bytes = {bytes}});
    act(Act::kCommit);
  }
  // One that fills its chunk, and is delivered at once.
  void pass_by() {
    send(185'000, 1);
    act(Act::kDeliver);
    act(Act::kTend);
  }
  void act(Act act, uint64_t value = 0) { plan_.steps.push_back(Step{.act = act, .value = value}); }
  Plan& plan() { return plan_; }

 private:
  Plan plan_;
};

/// Small chunks that fail, in two segments that are left; then they are moved.
Plan small_chunks() {
  Script script;
  for (int segment = 0; segment < 2; ++segment) {
    for (int i = 0; i < 2; ++i) {
      script.send(2000);
      script.act(Act::kSeal);
      script.act(Act::kCommit);
      script.act(Act::kGiveBack);
    }
    script.pass_by();
    script.pass_by();
  }
  for (int i = 0; i < 3; ++i) script.act(Act::kMove);
  script.act(Act::kPass, 1000);
  script.act(Act::kDeliver);
  script.act(Act::kTend);
  return script.plan();
}

/// Q4 in small: a chunk over six segments, moved in slices; with `crash` a power cut among them.
Plan large_chunk(Act crash) {
  Script script;
  script.plan().move_bytes_max = 20'000;
  for (int segment = 0; segment < 6; ++segment) {
    script.send(25'000);
    script.pass_by();
  }
  script.act(Act::kSeal);
  script.act(Act::kCommit);
  script.act(Act::kGiveBack);
  script.pass_by();
  script.act(Act::kMove);
  script.act(Act::kMove);
  script.act(crash);
  script.act(Act::kGiveBack);
  for (int i = 0; i < 6; ++i) script.act(Act::kMove);
  return script.plan();
}

/// A node on a disk of its own, step by step.
class Lives {
 public:
  explicit Lives(const Plan& plan) : plan_(plan), oracle_(plan), random_(plan.seed) {
    disk_.set_reservation_max("spare.", plan.segment_bytes);
    start();
  }
  void step(const Step& step) {
    if (step.act != Act::kKill && step.act != Act::kCut) return node_->step(step);
    moved_ += node_->total(Metric::kMovedChunks);
    node_.reset();
    if (step.act == Act::kCut) {
      disk_.cut_power([&] { return random_.one_in(2); });
      oracle_.power_cut();
    }
    start();
  }
  // I20: what the log keeps segments for is what the frames and lines on disk say.
  void expect_counts_agree(size_t at) {
    for (size_t i = 0; i < plan_.logs(); ++i) {
      std::map<uint64_t, uint64_t> counted;
      for (const buffer::Segment& segment : node_->log(i).segments().all()) {
        if (segment.live_bytes > 0) counted[segment.base_lsn] += segment.live_bytes;
      }
      ASSERT_EQ(counted, testing::LiveRecount::of(disk_, plan_.directory_of(i)))
          << "seed " << plan_.seed << " step " << at;
    }
  }
  uint64_t moved() const { return moved_ + node_->total(Metric::kMovedChunks); }

 private:
  void start() {
    node_ = std::make_unique<Node>(plan_, Machine{disk_, clock_, random_, pool_}, oracle_, life_++);
    ASSERT_TRUE(node_->start());
  }

  const Plan& plan_;
  io::SimulatedFileSystem disk_;
  io::SimulatedClock clock_;
  Oracle oracle_;
  io::SimulatedRandom random_;
  buffer::BlockPool pool_;
  std::unique_ptr<Node> node_;
  uint32_t life_ = 0;
  uint64_t moved_ = 0;
};

uint64_t moved_by(const Plan& plan) {
  Lives lives(plan);
  for (const Step& step : plan.steps) lives.step(step);
  return lives.moved();
}

void expect_unbroken(const Plan& plan) {
  const auto outcome = Enumerator(plan, {.states = kStates}).run();
  EXPECT_EQ(outcome.complaint, "") << to_text(outcome.path);
  EXPECT_GT(outcome.states, kStates / 4);
  std::printf("crash states %lu, %lu of them within a recovery\n", outcome.states, outcome.nested);
}

TEST_F(Moves, NoCrashLosesRepeatsOrChangesASmallChunk) {
  const Plan plan = small_chunks();
  EXPECT_GE(moved_by(plan), 2U);
  expect_unbroken(plan);
}

TEST_F(Moves, Q4NoCrashWithinTheSlicesOfALargeOne) {
  for (const Act crash : {Act::kTend, Act::kKill, Act::kCut}) {
    const Plan plan = large_chunk(crash);
    EXPECT_GE(moved_by(plan), 5U);
    expect_unbroken(plan);
  }
}

// Q6, over restarts, after every step.
TEST_F(Moves, Q6TheLiveCountIsWhatTheLogItselfTells) {
  uint64_t moved = 0;
  size_t steps = 0;
  const auto run = [&](const Plan& plan) {
    Lives lives(plan);
    for (const Step& step : plan.steps) {
      // A disk that fails may keep two copies of a chunk that is being moved.
      if (step.act == Act::kSyncFails || step.act == Act::kDiskFull) continue;
      if (step.act == Act::kDiskSpace) continue;
      lives.step(step);
      ASSERT_NO_FATAL_FAILURE(lives.expect_counts_agree(steps++));
    }
    moved += lives.moved();
  };
  run(small_chunks());
  run(large_chunk(Act::kKill));
  for (uint64_t seed = 1; seed <= 60; ++seed) ASSERT_NO_FATAL_FAILURE(run(make_plan(seed, 60)));
  std::printf("%zu steps, %lu chunks or slices moved\n", steps, moved);
  EXPECT_GT(moved, 20U);
}

}  // namespace
}  // namespace millrace::fault
