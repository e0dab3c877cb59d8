// SPDX-License-Identifier: Apache-2.0
// A disk whose calls fail: the n-th of each kind with each errno, once and for ever, n = 1, 2, 3
// ... until a run does not reach it. No run may crash, ack what is not durable, or sync a file
// again that a sync failed on; each goes on when the fault ends, and after a restart.

#include <gtest/gtest.h>

#include "base/log.h"
#include "io/faulty.h"
#include "tests/fault/node.h"

namespace millrace::fault {
namespace {

using io::Call;
using io::Fault;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kStride = 23;  // each run takes many times as long
#else
constexpr uint64_t kStride = 5;  // a prime: the errnos of one n are not those of the next
#endif

constexpr int kErrnos[] = {EIO, ENOSPC, EDQUOT, EROFS, EINTR, EAGAIN, EMFILE, ENFILE, ENOMEM};

constexpr uint64_t kRolls = 15;  // seeds of plans: segments are left and removed,
constexpr uint64_t kDead = 17;   // there are dead letters,
constexpr uint64_t kMoves = 13;  // and moves, with dead letters too
constexpr uint64_t kSeeds[] = {kDead, kRolls, kMoves};

/// A plan without restarts, and a disk that fails as told.
class FailingRun {
 public:
  explicit FailingRun(uint64_t seed = kRolls) : plan_(make_plan(seed, 80)) {
    std::erase_if(plan_.steps, [](const Step& step) {
      return step.act == Act::kKill || step.act == Act::kCut || step.act == Act::kSyncFails ||
             step.act == Act::kDiskFull || step.act == Act::kDiskSpace;
    });
    Request last{.number = static_cast<uint32_t>(plan_.requests.size()), .record_bytes = {100}};
    plan_.requests.push_back(last);
    oracle_ = std::make_unique<Oracle>(plan_);
    disk.set_reservation_max("spare.", plan_.segment_bytes);
  }

  /// The first broken promise.
  std::string run(const Fault& fault) {
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

  io::SimulatedFileSystem disk;
  io::FaultyFileSystem faulty{disk};
  bool struck = false;

 private:
  std::unique_ptr<Node> make_node() {
    auto node =
        std::make_unique<Node>(plan_, Machine{faulty, clock_, random_, pool_}, *oracle_, life_++);
    node->distrust_syncs = true;
    return node;
  }
  // A start may fail; then it is tried again when the fault has ended.
  bool start(std::unique_ptr<Node>& node) {
    if (node->start()) return true;
    if (faulty.failed() == 0) return false;
    struck = true;
    faulty.set(std::nullopt);
    node = make_node();
    return node->start().has_value();
  }
  bool goes_on(Node& node) {
    for (int i = 0; i < 3; ++i) {
      clock_.pass(10'000);
      node.tend(0);
    }
    if (!node.commit_all() || !node.drain()) return false;
    node.send(plan_.requests.back(), 0);
    return node.commit_all() && oracle_->is_acked(plan_.requests.back().number) && node.drain();
  }

  Plan plan_;
  io::SimulatedClock clock_;
  io::SimulatedRandom random_{3};
  buffer::BlockPool pool_;
  std::unique_ptr<Oracle> oracle_;
  uint32_t life_ = 0;
};

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
    for (const int value : kErrnos) {
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
      FailingRun run;
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
  FailingRun run;
  ASSERT_EQ(run.run({.call = Call::kAllocate, .errno_value = EOPNOTSUPP, .times = io::kForEver}),
            "");
  EXPECT_TRUE(run.struck);
}

TEST_F(CallsFail, F5LinesThatCannotBeSyncedCostNoData) {
  uint64_t runs = 0;
  for (const Call call : {Call::kSync, Call::kWrite, Call::kRename, Call::kAllocate}) {
    for (const uint64_t times : {uint64_t{1}, io::kForEver}) {
      for (uint64_t nth = 1; nth < 200; ++nth) {
        FailingRun run;
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
    FailingRun run;
    ASSERT_EQ(run.run({.call = Call::kRead, .path_glob = "*/seg.*", .nth = nth, .times = 10}), "")
        << "read " << nth;
    if (!run.struck) break;
  }
  EXPECT_GT(runs, 3U);
}

}  // namespace
}  // namespace millrace::fault
