// SPDX-License-Identifier: Apache-2.0
#include "event/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <thread>
#include <vector>

#include "event/signal.h"
#include "event/timer.h"

namespace millrace::event {
namespace {

TEST(Loop, RunsPostedTasksInOrderAndStopsAfterThem) {
  Loop loop;
  std::vector<int> seen;
  for (int i = 0; i < 100; ++i) loop.post([&seen, i] { seen.push_back(i); });
  loop.stop();
  loop.run();
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(Loop, TakesTasksFromOtherThreads) {
  Loop loop;
  int sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&loop, &sum] {
      for (int i = 0; i < 1000; ++i) loop.post([&sum] { ++sum; });
    });
  }
  std::thread runner([&loop] { loop.run(); });
  for (std::thread& thread : threads) thread.join();
  loop.stop();
  runner.join();
  EXPECT_EQ(sum, 4000);
}

TEST(Loop, KnowsItsThread) {
  Loop loop;
  EXPECT_TRUE(loop.is_on_thread());
  bool inside = false;
  bool outside = true;
  std::thread runner([&loop] { loop.run(); });
  loop.post([&] {
    inside = loop.is_on_thread();
    std::thread([&] { outside = loop.is_on_thread(); }).join();
    loop.stop();
  });
  runner.join();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(outside);
  EXPECT_TRUE(loop.is_on_thread());
}

TEST(Loop, DestroysTasksThatNeverRan) {
  const auto token = std::make_shared<int>(1);
  {
    Loop loop;
    loop.post([token] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Timer, FiresOnceAndRepeatedly) {
  Loop loop;
  int once = 0;
  int repeated = 0;
  Timer single(loop, [&] { ++once; });
  Timer many(loop, [&] {
    if (++repeated == 5) loop.stop();
  });
  single.start(1);
  many.start(1, 1);
  EXPECT_TRUE(single.active());
  loop.run();
  EXPECT_EQ(once, 1);
  EXPECT_EQ(repeated, 5);
  EXPECT_FALSE(single.active());
}

TEST(Timer, CanEndBeforeItFires) {
  Loop loop;
  int fired = 0;
  {
    Timer timer(loop, [&] { ++fired; });
    timer.start(0);
  }
  Timer stopper(loop, [&] { loop.stop(); });
  stopper.start(20);
  loop.run();
  EXPECT_EQ(fired, 0);
}

TEST(Signal, IsDeliveredOnTheLoop) {
  Loop loop;
  bool on_thread = false;
  Signal signal(loop, SIGUSR2, [&] {
    on_thread = loop.is_on_thread();
    loop.stop();
  });
  loop.post([] { ::kill(::getpid(), SIGUSR2); });
  loop.run();
  EXPECT_TRUE(on_thread);
}

TEST(EndOfTurn, RunsInputHooksBeforeSubmitHooksWhateverTheirAge) {
  Loop loop;
  std::vector<char> order;
  EndOfTurn submit(loop, TurnStage::kSubmit, [&] { order.push_back('s'); });
  EndOfTurn input(loop, TurnStage::kInput, [&] { order.push_back('i'); });
  loop.stop();
  loop.run();
  ASSERT_GE(order.size(), 2u);
  EXPECT_EQ(order[0], 'i');
  EXPECT_EQ(order[1], 's');
}

TEST(EndOfTurn, RunsAfterATimerBeforeTheLoopSleeps) {
  Loop loop;
  bool work = false;
  EndOfTurn hook(loop, TurnStage::kSubmit, [&] {
    if (work) loop.stop();  // nothing else would wake the loop
  });
  Timer timer(loop, [&] {
    work = true;
    hook.request();
  });
  timer.start(1);
  loop.run();
  EXPECT_TRUE(work);
}

// Work that a submit hook leaves for an input hook comes when the input hooks are already done.
TEST(EndOfTurn, RequestFromALaterHookIsServedBeforeTheLoopSleeps) {
  Loop loop;
  bool work = false;
  int served = 0;
  int rounds = 0;
  EndOfTurn input(loop, TurnStage::kInput, [&] {
    if (!work) return;
    work = false;
    if (++served == 3) loop.stop();
  });
  EndOfTurn submit(loop, TurnStage::kSubmit, [&] {
    if (++rounds > 100) return loop.stop();
    if (served < 3) {
      work = true;
      input.request();
    }
  });
  loop.run();
  EXPECT_EQ(served, 3);
}

}  // namespace
}  // namespace millrace::event
