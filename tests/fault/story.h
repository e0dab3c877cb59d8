// SPDX-License-Identifier: Apache-2.0
#pragma once

// Story: one plan told step by step. The test says what happens, when the process dies, when the
// power goes and which calls fail; the oracle listens, and whatever it has to complain of fails the
// test. Invariant: nothing happens by itself. One thread.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "io/faulty.h"
#include "tests/fault/node.h"

namespace millrace::fault {

/// `requests` messages of one record each, for one log.
inline Plan plan_of_one_log(uint32_t requests = 200) {
  Plan plan;
  plan.chunk_bytes_max = 1 << 20;
  for (uint32_t i = 0; i < requests; ++i) {
    plan.requests.push_back(Request{.number = i, .record_bytes = {5000}});
  }
  return plan;
}

class Story {
 public:
  explicit Story(Plan plan = plan_of_one_log())
      : plan_(std::move(plan)), oracle_(std::make_unique<Oracle>(plan_)) {
    disk.set_reservation_max("spare.", plan_.segment_bytes);
  }
  ~Story() { EXPECT_EQ(oracle_->complaint(), ""); }

  void start() {
    node_ =
        std::make_unique<Node>(plan_, Machine{faulty, clock, random_, pool_}, *oracle_, life_++);
    ASSERT_TRUE(node_->start());
  }
  void kill() { node_.reset(); }
  void cut() {
    kill();
    disk.cut_power();
    oracle_->power_cut();
  }
  /// The power goes, and this is what it leaves.
  void cut_to(io::DiskState state) {
    kill();
    disk.set(std::move(state));
    oracle_->power_cut();
  }
  void end() {
    EXPECT_TRUE(node_->drain());
    oracle_->check_nothing_lacks();
    EXPECT_EQ(node_->alarms(), 0U);
  }
  void send(uint32_t number, size_t worker = 0) { node_->send(plan_.requests[number], worker); }
  /// As if every ack had been lost.
  void send_all_again() {
    for (const Request& request : plan_.requests) {
      if (oracle_->is_sent(request.number)) send(request.number);
    }
  }
  bool is_acked(uint32_t number) const { return oracle_->is_acked(number); }
  /// A commit that does not come to its end: cut before the operation `name`.
  void commit_until(const char* name) {
    cut_before(name, [this] { node_->commit(0); });
  }
  /// `work` does not come further than to the operation `name` on a path that ends with `path`.
  void cut_before(const char* name, const std::function<void()>& work, std::string path = "") {
    struct Cut {};
    disk.watch([name, path](const io::DiskOperation& operation) {
      if (std::string_view(operation.name) == name && operation.path.ends_with(path)) throw Cut{};
    });
    EXPECT_THROW(work(), Cut);
    disk.watch(nullptr);
  }
  /// All that is queued is delivered.
  void deliver(size_t log = 0) {
    while (auto taken = node_->take(log)) node_->finish(log, *taken);
  }
  /// Messages from `number` on, each sealed, until the log has rolled; the next number.
  uint32_t roll(uint32_t number) {
    const uint64_t rolls = node_->total(metrics::Metric::kRolls);
    while (node_->total(metrics::Metric::kRolls) == rolls) {
      send(number++);
      node_->seal(0);
      EXPECT_TRUE(node_->commit(0));
    }
    return number;
  }
  Node& node() { return *node_; }
  Oracle& oracle() { return *oracle_; }

  io::SimulatedFileSystem disk;
  io::FaultyFileSystem faulty{disk};
  io::SimulatedClock clock;

 private:
  Plan plan_;
  io::SimulatedRandom random_{5};
  buffer::BlockPool pool_;
  std::unique_ptr<Oracle> oracle_;
  std::unique_ptr<Node> node_;
  uint32_t life_ = 0;
};

/// Tests that tell stories: what the process says is not what they are about.
class StoryTest : public ::testing::Test {
 protected:
  StoryTest() { log::configure(log::Level::kError, log::Format::kText); }
  ~StoryTest() override { log::configure(log::Level::kInfo, log::Format::kText); }
  void SetUp() override { ::testing::internal::CaptureStderr(); }
  void TearDown() override { (void)::testing::internal::GetCapturedStderr(); }
};

}  // namespace millrace::fault
