// SPDX-License-Identifier: Apache-2.0
// Lets every call to the disk fail, one after the other, and prints a line a plan.
//
//   fault_calls [--seed N] [--workloads N] [--counter-file FILE] [--table]
//
//   --seed          the first plan; each further one is the next number (1)
//   --workloads     plans (28, each kind twice)
//   --counter-file  where it goes on after it was stopped, and what it has counted so far
//   --table         only a row for bench/README.md of what the counter file holds
//
// Of each plan: each kind of call, with each errno, once and for ever, n = 1, 2, 3 ... until a run
// does not come to the n-th call. Exit code 1 with the case if a promise was broken.

#include <cstdio>
#include <optional>

#include "base/log.h"
#include "tests/fault/counter.h"
#include "tests/fault/failing_run.h"
#include "tests/fault/options.h"

namespace millrace::fault {
namespace {

struct Arguments {
  uint64_t seed = 1;
  uint64_t workloads = 28;
  std::string counter_file;
  bool table = false;
};

bool parse(int count, char** words, Arguments& arguments) {
  Options options;
  options.number("--seed", arguments.seed);
  options.number("--workloads", arguments.workloads, 1);
  options.text("--counter-file", arguments.counter_file);
  options.flag("--table", arguments.table);
  return options.parse(count, words) && (!arguments.table || !arguments.counter_file.empty());
}

void print_table(Counter& counter) {
  std::printf(
      "| T06 (F1): every call to the disk fails in turn | `fault_calls --seed %lu --workloads %lu` "
      "| %lu | %lu runs of %lu workloads | %s | %s |\n",
      counter["seed"], counter["workloads"], counter["seed"], counter["runs"], counter["next"],
      counter["broken"] == 0 ? "none broken" : "BROKEN", counter.date().c_str());
}

/// One rule after the other, until a run does not come to the n-th call; what broke, if anything.
std::string each_call(uint64_t seed, io::Fault fault, uint64_t& runs) {
  for (fault.nth = 1;; ++fault.nth) {
    FailingRun run(seed);
    const std::string broken = run.run(fault);
    if (!broken.empty()) {
      return broken + ": seed " + std::to_string(seed) + ", " + name_of(fault.call) + " " +
             std::to_string(fault.nth) + ", errno " + std::to_string(fault.errno_value) +
             (fault.times == 1 ? ", once" : ", for ever");
    }
    if (!run.struck) return "";
    ++runs;
  }
}

std::string each_rule(uint64_t seed, uint64_t& runs) {
  for (int kind = 0; kind < io::kCalls; ++kind) {
    for (const int value : kFailingErrnos) {
      for (const uint64_t times : {uint64_t{1}, io::kForEver}) {
        const io::Fault fault{
            .call = static_cast<io::Call>(kind), .errno_value = value, .times = times};
        const std::string broken = each_call(seed, fault, runs);
        if (!broken.empty()) return broken;
      }
    }
  }
  return "";
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
  }
  std::printf("seed %lu, workloads %lu, from %lu\n", counter["seed"], counter["workloads"],
              counter["next"]);
  std::fflush(stdout);
  for (; counter["next"] < counter["workloads"]; counter.save()) {
    const uint64_t seed = counter["seed"] + counter["next"];
    uint64_t runs = 0;
    const std::string broken = each_rule(seed, runs);
    counter["runs"] += runs;
    std::printf("seed %lu: %lu runs\n", seed, runs);
    std::fflush(stdout);
    if (!broken.empty()) {
      std::printf("BROKEN: %s\n", broken.c_str());
      counter["broken"] += 1;
      counter.save();
      return 1;
    }
    counter["next"] += 1;
  }
  std::printf("%lu runs, none broken\n", counter["runs"]);
  return 0;
}

}  // namespace
}  // namespace millrace::fault

int main(int count, char** words) {
  millrace::fault::Arguments arguments;
  if (!millrace::fault::parse(count, words, arguments)) {
    std::fprintf(stderr,
                 "usage: fault_calls [--seed N] [--workloads N] [--counter-file FILE] [--table]\n");
    return 64;
  }
  millrace::log::configure(millrace::log::Level::kError, millrace::log::Format::kText);
  return millrace::fault::run(arguments);
}
