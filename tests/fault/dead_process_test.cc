// SPDX-License-Identifier: Apache-2.0
// What a process that died has left is in the cache and perhaps not on the disk: nothing of it is
// taken for durable. And what a failed commit has left counts for nothing.

#include "tests/fault/story.h"

namespace millrace::fault {
namespace {

using io::Call;
using io::Fault;

class DeadProcess : public StoryTest {};

// The names of the files were not synced when it was killed. The line of the next process, which
// is, must not be all that a power cut leaves.
TEST_F(DeadProcess, Q3AFileInDeadIsWrittenAgainByTheNextProcess) {
  Plan plan = plan_of_one_log();
  plan.requests[0].dead_letter = true;
  Story story(plan);
  story.start();
  story.send(0);
  EXPECT_TRUE(story.node().commit(0));
  story.cut_before(
      "fsync", [&] { story.node().tend(0); }, "/dead");
  story.kill();
  story.start();
  story.node().tend(0);
  story.node().tend(0);  // its line is durable
  EXPECT_EQ(story.node().total(metrics::Metric::kDeadOversize), 1U);
  story.cut();
  story.start();
  EXPECT_EQ(story.node().log(0).queue().counts().dead_letters, 0U);
  story.end();
}

TEST_F(DeadProcess, F5LinesThatOnlyTheCacheHasAreDurableBeforeASegmentGoes) {
  Story story;
  story.start();
  const uint32_t next = story.roll(0);
  story.deliver();  // no round of housekeeping: no line is synced
  story.kill();
  story.start();
  story.node().tend(0);
  EXPECT_GT(story.node().total(metrics::Metric::kSegmentsRemoved), 0U);
  story.send(next);
  EXPECT_TRUE(story.node().commit(0));
  story.cut();
  story.start();
  story.end();
}

// The failed commit lies in the old segment all the same, on disk or in the cache; the segment it
// was written to instead is delivered and removed, while a stuck chunk keeps the old one.
TEST_F(DeadProcess, K5ATailThatAFailOverLeftBehindComesBackNeither) {
  for (const bool on_disk : {false, true}) {
    for (const bool killed : {false, true}) {
      Story story;
      story.start();
      story.send(0);
      story.node().seal(0);
      EXPECT_TRUE(story.node().commit(0));
      ASSERT_TRUE(story.node().take(0));  // its answer never comes
      story.send(1);
      story.faulty.set(
          Fault{.call = Call::kSync, .path_glob = "*/spare.*", .done_all_the_same = on_disk});
      EXPECT_TRUE(story.node().commit(0));
      EXPECT_EQ(story.node().total(metrics::Metric::kFailOvers), 1U);
      EXPECT_TRUE(story.is_acked(1));
      story.faulty.set(std::nullopt);
      if (killed) {
        story.kill();
        story.start();
        ASSERT_TRUE(story.node().take(0));
      }
      for (uint32_t next = 2; next < 150;) {
        next = story.roll(next);
        story.deliver();
        story.node().tend(0);
      }
      EXPECT_GT(story.node().total(metrics::Metric::kSegmentsRemoved), 0U);
      story.cut();
      story.start();
      story.end();
    }
  }
}

}  // namespace
}  // namespace millrace::fault
