// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/enumerator.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/check.h"

namespace millrace::fault {
namespace {

constexpr double kShareOfPlan = 0.6;         // of the states wanted: crashes of the plan itself
constexpr uint64_t kStatesPerCutLife = 200;  // until one was counted
constexpr uint64_t kThirdLifeOneIn = 40;
constexpr uint64_t kAgainOneIn = 4;
constexpr uint64_t kFullDiskOneIn = 3;

// In [0, 1), evenly.
double share(uint64_t hash, uint64_t salt) {
  return static_cast<double>(io::mix_hash(io::mix_hash(salt, hash), salt) >> 11) * 0x1p-53;
}

}  // namespace

std::string to_text(const std::vector<Point>& path) {
  std::string text;
  for (const Point& point : path) {
    text += (text.empty() ? "" : ",") + std::to_string(point.operation) + "." +
            std::to_string(point.state);
  }
  return text;
}

bool parse_path(const std::string& text, std::vector<Point>& path) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    Point point;
    const auto operation = std::from_chars(at, end, point.operation);
    if (operation.ec != std::errc() || operation.ptr == end || *operation.ptr != '.') return false;
    const auto state = std::from_chars(operation.ptr + 1, end, point.state);
    if (state.ec != std::errc() || (state.ptr != end && *state.ptr != ',')) return false;
    at = state.ptr + 1;
    path.push_back(point);
  }
  return !path.empty();
}

Enumerator::Universe::Universe(const Universe& other, io::DiskState state)
    : disk(std::move(state)), random(other.random), oracle(other.oracle), life(other.life + 1) {
  clock.running = other.clock.running.load();
  clock.wall = other.clock.wall.load();
}

Enumerator::Enumerator(const Plan& plan, Settings settings)
    : plan_(plan), settings_(std::move(settings)) {}

Enumerator::Outcome Enumerator::run() {
  if (!replays()) count_candidates();
  Universe universe(plan_);
  uint32_t operation = 0;
  universe.disk.watch([&](const io::DiskOperation& what) {
    if (replays()) std::printf("%5u  %s\n", operation, what.text().c_str());
    cut(universe, operation++);
  });
  live(universe);
  cut(universe, operation);
  if (!universe.oracle.complaint().empty()) fail(universe.oracle.complaint());
  outcome_.operations = operation;
  outcome_.states = states_.size();
  return outcome_;
}

// How many states the plan itself has decides which share of them is checked.
void Enumerator::count_candidates() {
  counting_ = true;
  Universe universe(plan_);
  uint32_t operation = 0;
  universe.disk.watch([&](const io::DiskOperation&) { cut(universe, operation++); });
  live(universe);
  cut(universe, operation);
  candidates_ = seen_.size();
  seen_.clear();
  counting_ = false;
}

// The steps of the plan, in as many lives of the process as it has.
void Enumerator::live(Universe& universe) {
  universe.disk.set_reservation_max("spare.", plan_.segment_bytes);
  const Machine machine{universe.disk, universe.clock, universe.random, pool_};
  auto node = std::make_unique<Node>(plan_, machine, universe.oracle, universe.life);
  const auto start = [&] {
    auto started = node->start();
    if (!started) universe.oracle.complain("a start failed: " + started.error().message);
    return started.has_value();
  };
  if (!start()) return;
  for (const Step& step : plan_.steps) {
    if (step.act == Act::kKill || step.act == Act::kCut) {
      node.reset();
      universe.disk.fail_syncs(0);
      universe.disk.set_capacity(UINT64_MAX);
      if (step.act == Act::kCut) {
        universe.disk.cut_power([&] { return universe.random.one_in(2); });
        universe.oracle.power_cut();
      }
      node = std::make_unique<Node>(plan_, machine, universe.oracle, ++universe.life);
      if (!start()) return;
    } else if (step.act == Act::kSyncFails) {
      universe.disk.fail_syncs(1);
      node->distrust_syncs = true;
    } else if (!act_on_machine(universe, step)) {
      node->step(step);
    }
  }
  universe.disk.fail_syncs(0);
}

bool Enumerator::act_on_machine(Universe& universe, const Step& step) {
  if (step.act == Act::kDiskSpace) {
    universe.disk.set_capacity(UINT64_MAX);
    return true;
  }
  if (step.act != Act::kDiskFull) return false;
  uint64_t used = 0;
  const io::DiskState disk = universe.disk.state();
  for (const auto& [name, inode] : disk.names()) {
    used += disk.cache(inode).size();
  }
  universe.disk.set_capacity(used + step.value, true);
  return true;
}

void Enumerator::cut(Universe& universe, uint32_t operation) {
  const size_t level = path_.size();
  if (!outcome_.complaint.empty()) return;
  if (replays() &&
      (level >= settings_.only.size() || settings_.only[level].operation != operation)) {
    return;
  }
  const io::DiskState disk = universe.disk.state();
  const uint64_t seed = io::mix_hash(io::mix_hash(plan_.seed, level), operation);
  const auto states = crash_states(disk, seed, level == 0 ? Breadth::kAll : Breadth::kFew);
  for (size_t i = 0; i < states.size(); ++i) {
    if (replays() && settings_.only[level].state != i) continue;
    const io::DiskState left = states[i].of(disk);
    const uint64_t hash = left.hash();
    if (!seen_.insert(io::mix_hash(hash, universe.oracle.facts())).second) continue;
    if (counting_) continue;
    if (level == 0) ++candidates_met_;
    if (!replays() && !takes(level, hash)) continue;
    if (states_.insert(hash).second && level > 0) ++outcome_.nested;
    if (replays()) std::printf("%s\n", describe(disk, states[i]).c_str());
    path_.push_back(Point{operation, static_cast<uint32_t>(i)});
    check(universe, left, states[i], hash);
    path_.pop_back();
    if (!outcome_.complaint.empty()) return;
  }
}

bool Enumerator::takes(size_t level, uint64_t hash) {
  if (level > 0) return true;
  const double wanted = kShareOfPlan * static_cast<double>(settings_.states);
  return share(hash, 1) * static_cast<double>(candidates_) < wanted;
}

// A life after a crash of the plan is cut if what is still wanted, beyond the states to come, asks
// for it.
bool Enumerator::nests(size_t level, uint64_t hash) {
  if (level >= kLives) return false;
  if (replays()) return true;
  if (level > 1) return share(hash, 2) * static_cast<double>(kThirdLifeOneIn) < 1;
  const double to_come = static_cast<double>(candidates_ - std::min(candidates_, candidates_met_));
  const double taken = std::min(to_come, to_come / static_cast<double>(candidates_) * kShareOfPlan *
                                             static_cast<double>(settings_.states));
  const double lacking =
      static_cast<double>(settings_.states) - static_cast<double>(states_.size()) - taken;
  const double each =
      static_cast<double>(lives_cut_ == 0 ? kStatesPerCutLife : 1 + outcome_.nested / lives_cut_);
  return share(hash, 3) * (taken + 1) * each < lacking;
}

void Enumerator::check(const Universe& from, const io::DiskState& disk, const CrashState& state,
                       uint64_t hash) {
  Universe universe(from, disk);
  universe.disk.set_reservation_max("spare.", plan_.segment_bytes);
  if (!state.kill) {
    universe.oracle.power_cut();
    universe.clock.running = 5000;
  }
  uint32_t operation = 0;
  if (nests(path_.size(), hash)) {
    if (path_.size() == 1) ++lives_cut_;
    universe.disk.watch([&](const io::DiskOperation& what) {
      if (replays()) std::printf("  %5u  %s\n", operation, what.text().c_str());
      cut(universe, operation++);
    });
  }
  recover(universe, hash);
  if (!universe.oracle.complaint().empty()) fail(universe.oracle.complaint());
}

// The story of a life after a crash. Some are followed by another one, to which agents send all
// that they ever sent, as if every ack had been lost.
void Enumerator::recover(Universe& universe, uint64_t hash) {
  ++outcome_.starts;
  Oracle& oracle = universe.oracle;
  const auto make_node = [&] {
    return std::make_unique<Node>(plan_,
                                  Machine{universe.disk, universe.clock, universe.random, pool_},
                                  oracle, universe.life);
  };
  auto node = make_node();
  if (io::mix_hash(hash, 5) % kFullDiskOneIn == 0 && !start_on_full_disk(universe, node)) {
    node = make_node();  // it has no position file to go on in
  }
  if (node->logs() == 0) {
    if (auto started = node->start(); !started) {
      return oracle.complain("a start failed: " + started.error().message);
    }
  }
  node->resend(universe.life % plan_.workers);
  if (!node->drain()) oracle.complain("what is in the buffer cannot be delivered");
  oracle.check_nothing_lacks();
  for (size_t i = 0; i < node->logs(); ++i) {
    node->tend(i);
    node->tend(i);
    if (node->log(i).status().unfinished_bytes > 0) oracle.complain("finished bytes still count");
    if (node->log(i).segments().count() != 1) oracle.complain("a segment without use is kept");
  }
  if (node->alarms() > 0) oracle.complain("an alarm without damage");
  node.reset();
  if (hash % kAgainOneIn == 0 && oracle.complaint().empty()) repeat_everything(universe);
}

// What was proved is delivered; then there is space, and the rest comes in.
bool Enumerator::start_on_full_disk(Universe& universe, std::unique_ptr<Node>& node) {
  universe.disk.set_capacity(0, true);  // side files are written: no key is forgotten
  const auto started = node->start();
  if (started) {
    ++outcome_.on_full_disk;
    node->deliver_all();
  }
  universe.disk.set_capacity(UINT64_MAX);
  universe.clock.pass(1000);
  if (started && !node->commit_all()) universe.oracle.complain("a start does not go on with space");
  if (!started && started.error().kind != ErrorKind::kNoSpace) {
    universe.oracle.complain("a start on a full disk failed: " + started.error().message);
  }
  return started.has_value();
}

void Enumerator::repeat_everything(Universe& universe) {
  ++outcome_.starts;
  Node node(plan_, Machine{universe.disk, universe.clock, universe.random, pool_}, universe.oracle,
            universe.life + 1);
  if (!node.start()) return universe.oracle.complain("a second start failed");
  for (const Request& request : plan_.requests) {
    if (request.keyed && universe.oracle.is_sent(request.number)) {
      node.send(request, (universe.life + 1) % plan_.workers);
    }
  }
  if (!node.drain()) universe.oracle.complain("what is in the buffer cannot be delivered");
  universe.oracle.check_nothing_lacks();
}

void Enumerator::fail(const std::string& complaint) {
  if (!outcome_.complaint.empty()) return;
  outcome_.complaint = complaint;
  outcome_.path = path_;
}

}  // namespace millrace::fault
