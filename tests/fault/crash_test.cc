// SPDX-License-Identifier: Apache-2.0
// Crashes of a machine, on the simulated disk. The enumerated ones are the short form of
// fault_crash; the others are told step by step.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/fault/enumerator.h"

namespace millrace::fault {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kStates = 40;  // each takes many times as long
#else
constexpr uint64_t kStates = 700;
#endif
constexpr uint64_t kPlans = 24;  // each kind twice

class Crash : public ::testing::Test {
 protected:
  Crash() { log::configure(log::Level::kError, log::Format::kText); }
  ~Crash() override { log::configure(log::Level::kInfo, log::Format::kText); }
};

// K2 (crashes within recoveries, three lives deep, agents' re-sends between), K4 (bytes of one
// chunk id over all lives, heads and limits changed between them) and K8 (unsynced writes and names
// in any part).
TEST_F(Crash, K2K4K8NoEnumeratedStateBreaksAPromise) {
  uint64_t states = 0;
  uint64_t nested = 0;
  for (uint64_t seed = 1; seed <= kPlans; ++seed) {
    const Plan plan = make_plan(seed, 40);
    const auto outcome = Enumerator(plan, {.states = kStates}).run();
    ASSERT_EQ(outcome.complaint, "")
        << "fault_crash --seed " << seed << " --replay " << to_text(outcome.path);
    states += outcome.states;
    nested += outcome.nested;
  }
  std::printf("crash states %lu, %lu of them within a recovery, of %lu plans\n", states, nested,
              kPlans);
  EXPECT_GT(states, kPlans * kStates / 3);
  EXPECT_GT(nested, states / 20);
}

/// One log, told step by step.
class Story {
 public:
  explicit Story(uint32_t requests = 200) {
    plan_.chunk_bytes_max = 1 << 20;
    for (uint32_t i = 0; i < requests; ++i) {
      plan_.requests.push_back(Request{.number = i, .record_bytes = {5000}});
    }
    oracle_ = std::make_unique<Oracle>(plan_);
    disk.set_reservation_max("spare.", plan_.segment_bytes);
  }
  ~Story() { EXPECT_EQ(oracle_->complaint(), ""); }

  void start() {
    node_ = std::make_unique<Node>(plan_, Machine{disk, clock_, random_, pool_}, *oracle_, life_++);
    ASSERT_TRUE(node_->start());
  }
  void kill() { node_.reset(); }
  void cut() {
    kill();
    disk.cut_power();
    oracle_->power_cut();
  }
  void end() {
    EXPECT_TRUE(node_->drain());
    oracle_->check_nothing_lacks();
    EXPECT_EQ(node_->alarms(), 0U);
  }
  void send(uint32_t number) { node_->send(plan_.requests[number], 0); }
  // As if every ack had been lost.
  void send_all_again() {
    for (const Request& request : plan_.requests) {
      if (oracle_->is_sent(request.number)) send(request.number);
    }
  }
  // A commit that does not come to its end: cut before the operation `name`.
  void commit_until(const char* name) {
    cut_before(name, [this] { node_->commit(0); });
  }
  // `work` does not come further than to the operation `name`.
  void cut_before(const char* name, const std::function<void()>& work) {
    struct Cut {};
    disk.watch([name](const io::DiskOperation& operation) {
      if (std::string_view(operation.name) == name) throw Cut{};
    });
    EXPECT_THROW(work(), Cut);
    disk.watch(nullptr);
  }
  Node& node() { return *node_; }
  Oracle& oracle() { return *oracle_; }

  io::SimulatedFileSystem disk;

 private:
  Plan plan_;
  io::SimulatedClock clock_;
  io::SimulatedRandom random_{5};
  buffer::BlockPool pool_;
  std::unique_ptr<Oracle> oracle_;
  std::unique_ptr<Node> node_;
  uint32_t life_ = 0;
};

TEST_F(Crash, K3AReSendAfterAKillBetweenWriteAndSyncIsAckedOnlyWhenItIsOnDisk) {
  for (const bool sync_failed : {false, true}) {
    Story story;
    story.start();
    story.send(0);
    EXPECT_TRUE(story.node().commit(0));
    story.send(1);
    story.commit_until("fdatasync");
    EXPECT_FALSE(story.oracle().is_acked(1));
    if (sync_failed) {
      // The kernel has dropped what it could not write, and says nothing to the next process.
      const io::DiskState disk = story.disk.state();
      story.kill();
      io::DiskState forgotten = disk.after_kill();
      for (const auto& [name, inode] : forgotten.names()) {
        if (name.find("seg.") != std::string::npos) forgotten.forget(inode);
      }
      story.disk.set(forgotten);
    } else {
      story.kill();
    }
    story.start();
    story.node().resend(0);
    EXPECT_TRUE(story.node().commit_all());
    EXPECT_TRUE(story.oracle().is_acked(1));
    story.cut();
    story.start();
    story.end();
  }
}

TEST_F(Crash, K5ATornTailAndAStuckChunkWhoseNextSegmentIsGoneRaiseNoAlarm) {
  Story story;
  story.start();
  story.send(0);
  story.node().seal(0);
  EXPECT_TRUE(story.node().commit(0));
  auto stuck = story.node().take(0);  // its answer never comes
  ASSERT_TRUE(stuck);
  story.send(1);
  story.commit_until("fdatasync");
  story.kill();
  story.start();  // writes the tail again into the next segment
  story.node().resend(0);
  EXPECT_TRUE(story.node().commit_all());
  // All but the first chunk go, and the segment they lay in.
  story.node().take(0);
  for (uint32_t i = 2; i < 120; ++i) {
    story.send(i);
    if (i % 10 == 0) {
      story.node().seal(0);
      EXPECT_TRUE(story.node().commit(0));
      while (auto taken = story.node().take(0)) story.node().finish(0, *taken);
      story.node().tend(0);
    }
  }
  EXPECT_GT(story.node().total(metrics::Metric::kSegmentsRemoved), 0U);
  story.cut();
  story.start();
  story.end();
}

// The cut of a segment that is being removed is not synced. Killed there and started again, the
// process finds a file without frames: what it held is known all the same, by the lines of its
// chunks if a power cut makes it whole again, by its side file for messages that are sent again.
void remove_a_segment(Story& story, const char* until) {
  story.start();
  for (uint32_t i = 0; story.node().total(metrics::Metric::kRolls) == 0; ++i) {
    story.send(i);
    story.node().seal(0);
    EXPECT_TRUE(story.node().commit(0));
  }
  while (auto taken = story.node().take(0)) story.node().finish(0, *taken);
  story.cut_before(until, [&] { story.node().tend(0); });
}

TEST_F(Crash, F5ARemovalThatIsUndoneAfterTheNextStartBringsNoRepeat) {
  Story story;
  remove_a_segment(story, "unlink");
  story.kill();
  story.start();
  story.cut();
  story.start();
  story.end();
}

TEST_F(Crash, F5ARemovalThatIsCutShortKeepsItsKeys) {
  Story story;
  remove_a_segment(story, "unlink");
  story.kill();
  for (int life = 0; life < 3; ++life) {
    story.start();
    story.send_all_again();
    story.end();
    story.kill();
  }
}

TEST_F(Crash, K6AWrittenSpareThatWasNotRenamedIsNeverUsedAgain) {
  for (const char* until : {"rename", "fsync"}) {
    Story story;
    story.start();
    uint32_t number = 0;
    // Until the next commit rolls.
    const auto rolled = [&] { return story.node().total(metrics::Metric::kRolls); };
    while (rolled() == 0 && number < 40) {
      story.send(number++);
      story.node().tend(0);
      const auto newest = story.node().log(0).segments().newest();
      const uint64_t used = newest->end_lsn - newest->base_lsn + 4096;
      if (newest->file_bytes - used < 8192) break;
      EXPECT_TRUE(story.node().commit(0));
    }
    ASSERT_EQ(rolled(), 0U);
    story.send(number++);
    story.commit_until(until);
    story.cut();
    story.start();
    story.send(number++);  // a shorter first commit
    EXPECT_TRUE(story.node().commit(0));
    story.cut();
    story.start();
    story.node().resend(0);
    EXPECT_TRUE(story.node().commit_all());
    story.cut();
    story.start();
    story.end();
  }
}

}  // namespace
}  // namespace millrace::fault
