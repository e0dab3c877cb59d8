// SPDX-License-Identifier: Apache-2.0
// F8: several workers and outputs, and one disk that refuses. (A message goes into one log: there
// is none that is durable in one and not in another.)

#include "tests/fault/story.h"

namespace millrace::fault {
namespace {

using io::Call;
using io::Fault;

class Workers : public StoryTest {};

Plan plan_of(size_t outputs, size_t workers) {
  Plan plan{.outputs = outputs, .workers = workers};
  for (uint32_t i = 0; i < 8; ++i) {
    plan.requests.push_back(Request{.number = i, .output = i % outputs, .record_bytes = {500, 70}});
  }
  return plan;
}

Fault no_write_below(const char* path_glob) {
  return Fault{.call = Call::kWrite, .path_glob = path_glob, .times = io::kForEver};
}

enum class End { kDiskComesBack, kKill, kPowerCut };

// The first log that has it refuses: who sent it to the other worker waits, until the disk is back
// or the process is not, and is never acked before it is stored.
TEST_F(Workers, F8AMessageThatTwoWorkersGetAtOnceIsStoredOnce) {
  for (const End end : {End::kDiskComesBack, End::kKill, End::kPowerCut}) {
    Story story(plan_of(1, 2));
    story.start();
    story.send(0, 0);
    story.send(0, 1);
    story.faulty.set(no_write_below("/buffer/worker0/*"));
    EXPECT_FALSE(story.node().commit(0));
    EXPECT_TRUE(story.node().commit(1));
    EXPECT_FALSE(story.is_acked(0));
    // The other worker goes on meanwhile.
    story.send(1, 1);
    EXPECT_TRUE(story.node().commit(1));
    EXPECT_TRUE(story.is_acked(1));
    story.faulty.set(std::nullopt);
    if (end == End::kDiskComesBack) {
      story.clock.pass(10'000);
    } else {
      if (end == End::kKill) story.kill();
      if (end == End::kPowerCut) story.cut();
      story.start();
      story.node().resend(1);
    }
    EXPECT_TRUE(story.node().commit_all());
    EXPECT_TRUE(story.is_acked(0));
    story.send(0, 0);
    story.send(0, 1);
    story.end();
  }
}

TEST_F(Workers, F8ALogThatRefusesHoldsUpNoOther) {
  Story story(plan_of(2, 1));
  story.start();
  story.faulty.set(no_write_below("/buffer/worker0/out0/*"));
  story.send(0);
  EXPECT_FALSE(story.node().commit(0));
  story.send(1);
  story.node().seal(1);
  EXPECT_TRUE(story.node().commit(1));
  EXPECT_TRUE(story.is_acked(1));
  story.deliver(1);
  story.node().tend(1);
  EXPECT_EQ(story.node().log(1).status().unfinished_bytes, 0U);
  EXPECT_FALSE(story.is_acked(0));
  EXPECT_EQ(story.node().log(0).room(1), buffer::Room::kRefusing);
  story.faulty.set(std::nullopt);
  story.clock.pass(10'000);
  EXPECT_TRUE(story.node().commit_all());
  EXPECT_TRUE(story.is_acked(0));
  story.cut();
  story.start();
  story.end();
}

}  // namespace
}  // namespace millrace::fault
