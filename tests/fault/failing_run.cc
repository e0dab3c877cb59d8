// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/failing_run.h"

#include <algorithm>

namespace millrace::fault {

FailingRun::FailingRun(uint64_t seed) : plan_(make_plan(seed, 80)) {
  std::erase_if(plan_.steps, [](const Step& step) {
    return step.act == Act::kKill || step.act == Act::kCut || step.act == Act::kSyncFails ||
           step.act == Act::kDiskFull || step.act == Act::kDiskSpace;
  });
  Request last{.number = static_cast<uint32_t>(plan_.requests.size()), .record_bytes = {100}};
  plan_.requests.push_back(last);
  oracle_ = std::make_unique<Oracle>(plan_);
  disk.set_reservation_max("spare.", plan_.segment_bytes);
}

std::string FailingRun::run(const io::Fault& fault) {
  faulty.set(fault);
  auto node = make_node();
  if (!start(node)) return "a start fails though the fault has ended";
  for (const Step& step : plan_.steps) node->step(step);
  struck = struck || faulty.failed() > 0;
  faulty.set(std::nullopt);
  if (!goes_on(*node)) return "it does not go on when the fault has ended";
  oracle_->check_nothing_lacks();
  if (faulty.syncs_after_failure() > 0) oracle_->complain("a file is synced after a failed sync");
  node.reset();
  if (fault.nth % 2 == 0) {
    disk.cut_power();
    oracle_->power_cut();
  }
  node = make_node();
  if (!node->start()) return "a restart fails";
  if (!node->drain()) return "what is in the buffer cannot be delivered after a restart";
  oracle_->check_nothing_lacks();
  if (node->alarms() > 0) oracle_->complain("an alarm without damage");
  return oracle_->complaint();
}

std::unique_ptr<Node> FailingRun::make_node() {
  auto node =
      std::make_unique<Node>(plan_, Machine{faulty, clock_, random_, pool_}, *oracle_, life_++);
  node->distrust_syncs = true;
  return node;
}

// A start may fail; then it is tried again when the fault has ended.
bool FailingRun::start(std::unique_ptr<Node>& node) {
  if (node->start()) return true;
  if (faulty.failed() == 0) return false;
  struck = true;
  faulty.set(std::nullopt);
  node = make_node();
  return node->start().has_value();
}

bool FailingRun::goes_on(Node& node) {
  for (int i = 0; i < 3; ++i) {
    clock_.pass(10'000);
    for (size_t log = 0; log < node.logs(); ++log) node.tend(log);
  }
  if (!node.commit_all() || !node.drain()) return false;
  node.send(plan_.requests.back(), 0);
  return node.commit_all() && oracle_->is_acked(plan_.requests.back().number) && node.drain();
}

}  // namespace millrace::fault
