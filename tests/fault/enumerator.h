// SPDX-License-Identifier: Apache-2.0
#pragma once

// Enumerator: runs a plan on a simulated disk and, before each operation that changes the disk,
// looks at the states that a crash there may leave. Each is recovered in process, agents send again
// what was not acked, everything is delivered, and the oracle is asked; for some of them the disk
// has no free block at first. Such a life is cut in turn at each of its operations, three lives
// deep: all of that for a share of the states that fits the number asked for. States are told apart
// by a hash of the disk. Invariant: the same plan and settings check the same states in the same
// order. One thread.

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/fault/crash_states.h"
#include "tests/fault/node.h"

namespace millrace::fault {

/// One crash: which operation of the life it comes before, and which of its crash states is meant.
struct Point {
  uint32_t operation = 0;
  uint32_t state = 0;
};
/// "12.3,40.0": operation and state of each life's crash.
std::string to_text(const std::vector<Point>& path);
bool parse_path(const std::string& text, std::vector<Point>& path);

class Enumerator {
 public:
  static constexpr size_t kLives = 3;  // that end in a crash; one more checks

  struct Settings {
    uint64_t states = 20'000;  // distinct states that are wanted
    std::vector<Point> only;   // not empty: this path alone, told step by step on stdout
  };
  struct Outcome {
    uint64_t operations = 0;  // of the plan
    uint64_t states = 0;      // distinct
    uint64_t nested = 0;      // of them, within a recovery
    uint64_t starts = 0;
    uint64_t on_full_disk = 0;  // of them
    std::string complaint;      // empty: none
    std::vector<Point> path;    // of the first complaint
  };

  Enumerator(const Plan& plan, Settings settings);
  Outcome run();

 private:
  /// A disk, its clock and what the world knows, at one moment.
  struct Universe {
    explicit Universe(const Plan& plan) : random(plan.seed), oracle(plan) {}
    Universe(const Universe& other, io::DiskState state);

    io::SimulatedFileSystem disk;
    io::SimulatedClock clock;
    io::SimulatedRandom random;
    Oracle oracle;
    uint32_t life = 0;
  };

  void live(Universe& universe);
  bool act_on_machine(Universe& universe, const Step& step);
  void count_candidates();
  void cut(Universe& universe, uint32_t operation);
  void check(const Universe& from, const io::DiskState& disk, const CrashState& state,
             uint64_t hash);
  void recover(Universe& universe, uint64_t hash);
  bool start_on_full_disk(Universe& universe, std::unique_ptr<Node>& node);
  void repeat_everything(Universe& universe);
  bool takes(size_t level, uint64_t hash);
  bool nests(size_t level, uint64_t hash);
  void fail(const std::string& complaint);
  bool replays() const { return !settings_.only.empty(); }

  const Plan& plan_;
  const Settings settings_;
  buffer::BlockPool pool_;
  bool counting_ = false;
  std::unordered_set<uint64_t> seen_;    // disk and what the world knows
  std::unordered_set<uint64_t> states_;  // disk
  uint64_t candidates_ = 0;              // states of the plan itself
  uint64_t candidates_met_ = 0;
  uint64_t lives_cut_ = 0;  // recoveries that were cut at each operation
  uint64_t states_before_cut_ = 0;
  std::vector<Point> path_;
  Outcome outcome_;
};

}  // namespace millrace::fault
