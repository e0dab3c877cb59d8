// SPDX-License-Identifier: Apache-2.0
// Enumerates crash states of many plans and prints what it found, a line a plan.
//
//   fault_crash [--seed N] [--workloads N] [--states N] [--steps N] [--counter-file FILE] [--table]
//   fault_crash --seed N --replay OPERATION.STATE[,OPERATION.STATE...]
//
//   --seed          the first plan; each further one is the next number (1)
//   --workloads     plans (50)
//   --states        distinct states wanted of all plans together (100000)
//   --steps         of a plan (90)
//   --counter-file  where it goes on after it was stopped, and what it has counted so far
//   --table         only a row for bench/README.md of what the counter file holds
//   --replay        one crash of the plan of --seed, told operation by operation
//
// Exit code 1 with the way to replay it if a promise was broken.

#include <chrono>
#include <cstdio>

#include "base/log.h"
#include "tests/fault/counter.h"
#include "tests/fault/enumerator.h"
#include "tests/fault/options.h"

namespace millrace::fault {
namespace {

struct Arguments {
  uint64_t seed = 1;
  uint64_t workloads = 50;
  uint64_t states = 100'000;
  uint64_t steps = 90;
  std::string counter_file;
  bool table = false;
  std::vector<Point> replay;
};

bool parse(int count, char** words, Arguments& arguments) {
  std::string replay;
  Options options;
  options.number("--seed", arguments.seed);
  options.number("--workloads", arguments.workloads, 1);
  options.number("--states", arguments.states);
  options.number("--steps", arguments.steps);
  options.text("--counter-file", arguments.counter_file);
  options.text("--replay", replay);
  options.flag("--table", arguments.table);
  if (!options.parse(count, words)) return false;
  if (!replay.empty() && !parse_path(replay, arguments.replay)) return false;
  return !arguments.table || !arguments.counter_file.empty();
}

void print_table(Counter& counter) {
  std::printf(
      "| G2: no acked record lost, crash states of %lu workloads | `fault_crash --seed %lu "
      "--workloads %lu --states %lu` | %lu | %lu distinct states, %lu of them within a "
      "recovery; %lu starts; at most %lu of one workload | %s | %s |\n",
      counter["next"], counter["seed"], counter["workloads"], counter["wanted"], counter["seed"],
      counter["states"], counter["nested"], counter["starts"], counter["largest"],
      counter["broken"] == 0 ? "none broken" : "BROKEN", counter.date().c_str());
}

int run(const Arguments& arguments) {
  Counter counter(arguments.counter_file);
  if (arguments.table) {
    print_table(counter);
    return 0;
  }
  if (counter.empty()) {
    counter["seed"] = arguments.seed;
    counter["workloads"] = arguments.workloads;
    counter["wanted"] = arguments.states;
    counter["steps"] = arguments.steps;
  }
  const uint64_t seed = counter["seed"];
  std::printf("seed %lu, workloads %lu, from %lu\n", seed, counter["workloads"], counter["next"]);
  while (counter["next"] < counter["workloads"]) {
    const Plan plan = make_plan(seed + counter["next"], counter["steps"]);
    const auto begun = std::chrono::steady_clock::now();
    Enumerator enumerator(
        plan, {.states = counter["wanted"] / counter["workloads"], .only = arguments.replay});
    const Enumerator::Outcome outcome = enumerator.run();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begun);
    std::printf("seed %lu: %s; %lu operations, %lu states (%lu nested), %lu starts, %ld ms\n",
                plan.seed, describe(plan).c_str(), outcome.operations, outcome.states,
                outcome.nested, outcome.starts, ms.count());
    std::fflush(stdout);
    if (!outcome.complaint.empty()) {
      std::printf("BROKEN: %s\n  replay: fault_crash --seed %lu --steps %lu --replay %s\n",
                  outcome.complaint.c_str(), plan.seed, counter["steps"],
                  to_text(outcome.path).c_str());
      counter["broken"] += 1;
      counter.save();
      return 1;
    }
    counter["next"] += 1;
    counter["states"] += outcome.states;
    counter["nested"] += outcome.nested;
    counter["starts"] += outcome.starts;
    counter["largest"] = std::max(counter["largest"], outcome.states);
    counter.save();
  }
  std::printf(
      "%lu workloads, %lu distinct states, %lu of them within a recovery, %lu starts, "
      "none broken\n",
      counter["next"], counter["states"], counter["nested"], counter["starts"]);
  return 0;
}

int replay(const Arguments& arguments) {
  const Plan plan = make_plan(arguments.seed, arguments.steps);
  const Enumerator::Outcome outcome = Enumerator(plan, {.only = arguments.replay}).run();
  std::printf("%s\n", outcome.complaint.empty() ? "nothing broken" : outcome.complaint.c_str());
  return outcome.complaint.empty() ? 0 : 1;
}

}  // namespace
}  // namespace millrace::fault

int main(int count, char** words) {
  millrace::fault::Arguments arguments;
  if (!millrace::fault::parse(count, words, arguments)) {
    std::fprintf(stderr,
                 "usage: fault_crash [--seed N] [--workloads N] [--states N] [--steps N] "
                 "[--counter-file FILE] [--table] [--replay PATH]\n");
    return 64;
  }
  const bool replays = !arguments.replay.empty();
  millrace::log::configure(replays ? millrace::log::Level::kTrace : millrace::log::Level::kError,
                           millrace::log::Format::kText);
  return replays ? millrace::fault::replay(arguments) : millrace::fault::run(arguments);
}
