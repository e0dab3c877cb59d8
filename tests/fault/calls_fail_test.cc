// SPDX-License-Identifier: Apache-2.0
// A disk whose calls fail: the n-th of each kind with each errno, once and for ever, n = 1, 2, 3
// ... until a run does not reach it; of those of fault_calls one in a few, and what only a rule of
// its own finds.

#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/fault/failing_run.h"
#include "tests/support/sanitized.h"

namespace millrace::fault {
namespace {

using io::Call;
using io::Fault;

// A prime: the errnos of one n are not those of the next.
constexpr uint64_t kStride = testing::unless_sanitized(5, 23);

constexpr uint64_t kRolls = 15;  // seeds of plans: segments are left and removed,
constexpr uint64_t kDead = 17;   // there are dead letters,
constexpr uint64_t kMoves = 13;  // and moves, with dead letters too
constexpr uint64_t kSeeds[] = {kDead, kRolls, kMoves};

class CallsFail : public ::testing::Test {
 protected:
  CallsFail() { log::configure(log::Level::kError, log::Format::kText); }
  ~CallsFail() override { log::configure(log::Level::kInfo, log::Format::kText); }
  void SetUp() override { ::testing::internal::CaptureStderr(); }
  void TearDown() override { (void)::testing::internal::GetCapturedStderr(); }
};

TEST_F(CallsFail, F1EachCallWithEachErrnoOnceAndForEver) {
  uint64_t runs = 0;
  uint64_t turn = 0;
  for (int kind = 0; kind < io::kCalls; ++kind) {
    for (const int value : kFailingErrnos) {
      for (const uint64_t times : {uint64_t{1}, io::kForEver}) {
        // For ever is the same from any call of a long row: fewer are enough.
        for (uint64_t nth = 1; nth < 4000; ++nth) {
          const bool taken = ++turn % (kStride * (times == 1 ? 1 : 3)) == 0 || nth <= 2;
          if (!taken) continue;
          FailingRun run(kSeeds[turn % 3]);
          const Fault fault{
              .call = static_cast<Call>(kind), .nth = nth, .errno_value = value, .times = times};
          ASSERT_EQ(run.run(fault), "")
              << name_of(fault.call) << " " << nth << " errno " << value << " times " << times;
          ++runs;
          if (!run.struck) break;
        }
      }
    }
  }
  std::printf("failing calls %lu runs\n", runs);
  EXPECT_GT(runs, 300U);
}

TEST_F(CallsFail, F1AWriteThatFailsAfterSoManyBytes) {
  uint64_t runs = 0;
  for (uint64_t bytes = 0; bytes < 9000; bytes += 1 + 16 * kStride + bytes / 8) {
    for (const uint64_t nth : {2U, 3U, 5U}) {
      FailingRun run(kRolls);
      // A segment is written through the file that was opened as a spare.
      const Fault fault{
          .call = Call::kWrite, .path_glob = "*/spare.*", .nth = nth, .bytes_first = bytes};
      ASSERT_EQ(run.run(fault), "") << bytes << " bytes of write " << nth;
      ASSERT_TRUE(run.struck) << "write " << nth;
      ++runs;
    }
  }
  std::printf("short writes %lu\n", runs);
}

TEST_F(CallsFail, F1ACallThatFailsAndWasDoneAllTheSame) {
  uint64_t turn = 0;
  for (const Call call : {Call::kWrite, Call::kSync, Call::kRename, Call::kUnlink, Call::kTruncate,
                          Call::kSyncDirectory, Call::kAllocate, Call::kOpen}) {
    for (uint64_t nth = 1; nth < 400; nth += 1 + kStride / 5) {
      FailingRun run(++turn % 2 == 0 ? kRolls : kMoves);
      ASSERT_EQ(run.run({.call = call, .nth = nth, .done_all_the_same = true}), "")
          << name_of(call) << " " << nth;
      if (!run.struck) break;
    }
  }
}

// The pages are clean afterwards, and not on disk: what was not written again is gone.
TEST_F(CallsFail, F2ASyncThatFailsOnceAndOnTheNewSegmentToo) {
  uint64_t runs = 0;
  for (const uint64_t times : {1U, 2U, 3U}) {
    for (uint64_t nth = 1; nth < 400; ++nth) {
      FailingRun run(times == 2 ? kRolls : kMoves);
      Fault fault{.call = Call::kSync, .nth = nth, .times = times, .done_all_the_same = true};
      fault.before = [&run] { run.disk.fail_syncs(1); };
      ASSERT_EQ(run.run(fault), "") << "sync " << nth << ", " << times << " times";
      ++runs;
      if (!run.struck) break;
    }
  }
  std::printf("failing syncs %lu runs\n", runs);
}

TEST_F(CallsFail, F2ARenameAndADirectorySyncThatFail) {
  for (const Call call : {Call::kRename, Call::kSyncDirectory}) {
    for (const uint64_t times : {1U, 2U}) {
      for (uint64_t nth = 1; nth < 400; ++nth) {
        FailingRun run(times == 1 ? kRolls : kDead);
        ASSERT_EQ(run.run({.call = call, .nth = nth, .times = times}), "")
            << name_of(call) << " " << nth;
        if (!run.struck) break;
      }
    }
  }
}

TEST_F(CallsFail, F3BlocksThatCannotBeReservedAreWritten) {
  FailingRun run(kRolls);
  ASSERT_EQ(run.run({.call = Call::kAllocate, .errno_value = EOPNOTSUPP, .times = io::kForEver}),
            "");
  EXPECT_TRUE(run.struck);
}

TEST_F(CallsFail, F5LinesThatCannotBeSyncedCostNoData) {
  uint64_t runs = 0;
  for (const Call call : {Call::kSync, Call::kWrite, Call::kRename, Call::kAllocate}) {
    for (const uint64_t times : {uint64_t{1}, io::kForEver}) {
      for (uint64_t nth = 1; nth < 200; ++nth) {
        FailingRun run(kRolls);
        ASSERT_EQ(run.run({.call = call, .path_glob = "*/chunks.pos*", .nth = nth, .times = times}),
                  "")
            << name_of(call) << " " << nth << ", " << times << " times";
        if (!run.struck) break;
        ++runs;
      }
    }
  }
  EXPECT_GT(runs, 8U);
}

TEST_F(CallsFail, F6ReadsThatFailTenTimesThenTheWholeChunkComes) {
  uint64_t runs = 0;
  for (uint64_t nth = 1; nth < 100; ++nth, ++runs) {
    FailingRun run(kRolls);
    ASSERT_EQ(run.run({.call = Call::kRead, .path_glob = "*/seg.*", .nth = nth, .times = 10}), "")
        << "read " << nth;
    if (!run.struck) break;
  }
  EXPECT_GT(runs, 3U);
}

}  // namespace
}  // namespace millrace::fault
