// SPDX-License-Identifier: Apache-2.0
// Crashes of a machine, on the simulated disk. The enumerated ones are the short form of
// fault_crash; the others are told step by step.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/fault/enumerator.h"
#include "tests/fault/story.h"
#include "tests/support/sanitized.h"

namespace millrace::fault {
namespace {

constexpr uint64_t kStates = testing::unless_sanitized(700, 40);
constexpr uint64_t kPlans = 28;  // each kind twice

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
  uint64_t on_full_disk = 0;
  for (uint64_t seed = 1; seed <= kPlans; ++seed) {
    const Plan plan = make_plan(seed, 40);
    const auto outcome = Enumerator(plan, {.states = kStates}).run();
    ASSERT_EQ(outcome.complaint, "")
        << "fault_crash --seed " << seed << " --replay " << to_text(outcome.path);
    states += outcome.states;
    nested += outcome.nested;
    on_full_disk += outcome.on_full_disk;
  }
  std::printf("crash states %lu, %lu of them within a recovery, of %lu plans; %lu on a full disk\n",
              states, nested, kPlans, on_full_disk);
  EXPECT_GT(states, kPlans * kStates / 3);
  EXPECT_GT(nested, states / 20);
  EXPECT_GT(on_full_disk, states / 20);
}

// Events that no output takes lie in staged chunks of their own until they are in dead/: cut at
// each operation up to the line `D` and behind it.
TEST_F(Crash, Q3NoEnumeratedStateLosesAnEventWithoutARoute) {
  Plan plan{.seed = 31, .chunk_bytes_max = 2000};
  for (uint32_t i = 0; i < 8; ++i) {
    plan.requests.push_back(
        Request{.number = i, .record_bytes = {300, 700, 20}, .unrouted = i % 4 != 3});
    plan.steps.push_back(Step{.act = Act::kSend, .value = i});
    plan.steps.push_back(Step{.act = Act::kCommit});
    if (i % 3 == 2) plan.steps.push_back(Step{.act = Act::kSeal});
    if (i % 3 == 2) plan.steps.push_back(Step{.act = Act::kCommit});
    plan.steps.push_back(Step{.act = i % 2 == 0 ? Act::kTend : Act::kDeliver});
    plan.steps.push_back(Step{.act = Act::kTend});
  }
  const auto outcome = Enumerator(plan, {.states = 2 * kStates}).run();
  ASSERT_EQ(outcome.complaint, "") << to_text(outcome.path);
  std::printf("crash states %lu of events without a route\n", outcome.states);
  EXPECT_GT(outcome.states, kStates / 2);
}

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
