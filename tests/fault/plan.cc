// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/plan.h"

#include <algorithm>

#include "io/simulated.h"

namespace millrace::fault {
namespace {

using io::SimulatedRandom;

/// What a plan is about; they take turns.
struct Kind {
  size_t outputs = 1;
  size_t workers = 1;
  uint32_t record_bytes = 400;
  uint32_t large_one_in = 0;  // records that need several frames' worth of sectors
  uint32_t large_bytes = 0;
  uint32_t dead_one_in = 0;
  uint32_t restart_one_in = 0;
  uint32_t sync_fails_one_in = 0;
  bool overflow = false;
  bool fills_disk = false;
  bool moves = false;  // segments that are kept for little are emptied at once
};

constexpr Kind kKinds[] = {
    {},
    {.large_one_in = 2, .large_bytes = 60'000},  // rolls, segments removed
    {.outputs = 2, .workers = 2},
    {.dead_one_in = 4, .restart_one_in = 12},
    {.overflow = true},
    {.outputs = 2, .large_one_in = 3, .large_bytes = 40'000, .restart_one_in = 15},
    {.restart_one_in = 8},
    {.workers = 2, .large_one_in = 4, .large_bytes = 90'000, .dead_one_in = 6},
    {.large_one_in = 3, .large_bytes = 60'000, .fills_disk = true},
    {.record_bytes = 60, .restart_one_in = 20},
    {.restart_one_in = 15, .sync_fails_one_in = 12},
    {.large_one_in = 2, .large_bytes = 50'000, .restart_one_in = 15, .sync_fails_one_in = 15},
    {.large_one_in = 2, .large_bytes = 120'000, .moves = true},
    {.large_one_in = 2,
     .large_bytes = 120'000,
     .dead_one_in = 10,
     .restart_one_in = 20,
     .sync_fails_one_in = 20,
     .moves = true},
};
constexpr size_t kKindCount = sizeof kKinds / sizeof kKinds[0];

Request make_request(SimulatedRandom& random, const Kind& kind, uint32_t number, size_t output) {
  Request request{.number = number, .output = output};
  request.stage = static_cast<uint32_t>(random.below(3) / 2);
  request.keyed = !random.one_in(7);
  const size_t records = 1 + random.below(4);
  for (size_t i = 0; i < records; ++i) {
    const bool large = kind.large_one_in > 0 && random.one_in(kind.large_one_in);
    const uint64_t most = large && i == 0 ? kind.large_bytes : kind.record_bytes;
    request.record_bytes.push_back(static_cast<uint32_t>(20 + random.below(most)));
  }
  request.dead_letter = kind.dead_one_in > 0 && random.one_in(kind.dead_one_in);
  return request;
}

// A commit follows most requests: what lies between commits is what a crash is about.
Act next_act(SimulatedRandom& random, const Kind& kind) {
  if (kind.restart_one_in > 0 && random.one_in(kind.restart_one_in)) {
    return random.one_in(2) ? Act::kKill : Act::kCut;
  }
  if (kind.sync_fails_one_in > 0 && random.one_in(kind.sync_fails_one_in)) return Act::kSyncFails;
  if (kind.overflow && random.one_in(10)) return Act::kDrop;
  if (kind.moves && !random.one_in(3)) return random.one_in(3) ? Act::kMove : Act::kSend;
  constexpr Act kUsual[] = {
      Act::kSend,     Act::kSend,    Act::kSend,    Act::kSend, Act::kCommit, Act::kCommit,
      Act::kCommit,   Act::kCommit,  Act::kSeal,    Act::kTend, Act::kTend,   Act::kDeliver,
      Act::kDeliver,  Act::kDeliver, Act::kSealOld, Act::kTake, Act::kPass,   Act::kPad,
      Act::kGiveBack, Act::kGiveUp,  Act::kResend};
  return kUsual[random.below(sizeof kUsual / sizeof kUsual[0])];
}

uint64_t value_of(SimulatedRandom& random, Act act) {
  if (act == Act::kPass) return 50 + random.below(2000);
  if (act == Act::kDiskFull) return random.below(300'000);
  return 0;
}

// What was sent is soon durable. What is large is delivered and gone, of the rest much fails: that
// makes segments that are kept for little.
void add_sequel(SimulatedRandom& random, const Request& request, size_t log, Plan& plan) {
  const auto add = [&](Act act) { plan.steps.push_back(Step{.act = act, .log = log}); };
  add(Act::kCommit);
  if (request.record_bytes[0] > 10'000) {
    add(Act::kDeliver);
    add(Act::kTend);
  } else if (random.one_in(2)) {
    add(Act::kSeal);
    add(Act::kCommit);
    add(Act::kGiveBack);
  }
}

}  // namespace

std::string record_of(const Request& request, size_t index) {
  std::string text = "r" + std::to_string(request.number) + "." + std::to_string(index) + "|";
  const size_t bytes = std::max<size_t>(text.size() + 1, request.record_bytes[index]);
  const char fill = static_cast<char>('a' + (request.number + index) % 26);
  text.append(bytes - 1 - text.size(), fill);
  return text + ";";
}

std::string Plan::directory_of(size_t log) const {
  return "/buffer/worker" + std::to_string(log % workers) + "/out" +
         std::to_string(output_of(log)) + "/buffer";
}

Plan make_plan(uint64_t seed, size_t steps) {
  SimulatedRandom random(io::mix_hash(1, seed));  // or plans would be parts of one another
  const Kind& kind = kKinds[seed % kKindCount];
  Plan plan{.seed = seed, .outputs = kind.outputs, .workers = kind.workers};
  plan.chunk_bytes_max = 500 + random.below(random.one_in(3) ? 100'000 : 6000);
  if (random.one_in(4)) plan.records_max = 2 + random.below(6);
  plan.seal_each_request = random.one_in(8);
  if (kind.overflow) plan.total_limit_bytes = 3000 + random.below(5000);
  if (kind.moves) {
    plan.spill_after_ms = 100;
    plan.move_bytes_max = 20'000 + random.below(100'000);  // below: in slices
    if (random.one_in(3)) plan.chunk_bytes_max = 200'000;
  }
  for (size_t i = 0; i < steps; ++i) {
    Step step{.act = next_act(random, kind), .log = random.below(plan.logs())};
    step.value = value_of(random, step.act);
    if (step.act == Act::kSend) {
      step.value = plan.requests.size();
      plan.requests.push_back(
          make_request(random, kind, static_cast<uint32_t>(step.value), plan.output_of(step.log)));
    }
    plan.steps.push_back(step);
    if (kind.moves && step.act == Act::kSend) {
      add_sequel(random, plan.requests.back(), step.log, plan);
    }
  }
  return plan;
}

std::string describe(const Plan& plan) {
  uint64_t bytes = 0;
  size_t restarts = 0;
  for (const Request& request : plan.requests) {
    for (const uint32_t record : request.record_bytes) bytes += record;
  }
  for (const Step& step : plan.steps) {
    restarts += step.act == Act::kKill || step.act == Act::kCut ? 1 : 0;
  }
  return std::to_string(plan.outputs) + " outputs x " + std::to_string(plan.workers) +
         " workers, " + std::to_string(plan.requests.size()) + " requests, " +
         std::to_string(bytes) + " bytes, " + std::to_string(restarts) + " restarts";
}

}  // namespace millrace::fault
