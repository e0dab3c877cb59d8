// SPDX-License-Identifier: Apache-2.0
// A few lives of a log with rolls, removals and recoveries, stopped at every single operation that
// changes the disk, by a kill or by a power cut. No start afterwards may tell of damage.

#include <gtest/gtest.h>

#include <map>

#include "io/lossy.h"
#include "tests/support/filtered_files.h"
#include "tests/support/log_harness.h"
#include "tests/support/sanitized.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

/// Passes on the first `limit` operations that change the disk; the process that does the next one
/// is dead without knowing it: from there on nothing changes, and every call succeeds.
class StoppingFileSystem : public testing::FilteredFiles {
 public:
  using FilteredFiles::FilteredFiles;

  void stop_after(uint64_t limit) {
    left_ = limit;
    stopped_ = false;
  }
  bool stopped() const { return stopped_; }
  std::optional<Result<>> instead(testing::Change change) override {
    if (change == testing::Change::kOpenToWrite || change == testing::Change::kDirectories ||
        change == testing::Change::kLock) {
      return {};
    }
    if (left_ == 0) stopped_ = true;
    if (stopped_) return Result<>();
    --left_;
    return {};
  }

 private:
  std::atomic<uint64_t> left_{UINT64_MAX};
  std::atomic<bool> stopped_{false};
};

enum class End { kKill, kCut, kCutThatKeepsHalf, kKillThenCut };

class Lives {
 public:
  Lives() { harness_.profile.chunk_bytes_max = 1 << 20; }

  // False when the disk stopped before the end.
  bool run(uint64_t operations) {
    disk_.stop_after(operations);
    bool whole = true;
    for (int life = 0; life < 3 && whole; ++life) {
      whole = harness_.start().has_value() && !disk_.stopped() && one_life(life);
      harness_.stop();
    }
    return whole;
  }

  void expect_no_alarm(End end) {
    harness_.stop();
    bool keep = false;
    if (end == End::kCut) files_.cut_power();
    if (end == End::kCutThatKeepsHalf) files_.cut_power([&] { return keep = !keep; });
    disk_.stop_after(UINT64_MAX);
    ::testing::internal::CaptureStderr();
    if (end == End::kKillThenCut) read_and_cut();
    const bool started = harness_.start().has_value();
    if (started) expect_same_bytes();
    if (started) harness_.log().tend();
    harness_.stop();
    const bool again = started && harness_.start().has_value();
    const std::string lines = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(again);
    EXPECT_EQ(harness_.registry.total(Metric::kMissingSegments), 0U) << lines;
    EXPECT_EQ(harness_.registry.total(Metric::kCorruptBytes), 0U) << lines;
    EXPECT_EQ(harness_.registry.total(Metric::kDamagedChunks), 0U) << lines;
    EXPECT_EQ(lines.find("chunks.pos"), std::string::npos) << lines;
    EXPECT_EQ(lines.find("lost"), std::string::npos) << lines;
  }

  // A start after a kill, whose chunks are sent, and a power cut before any answer.
  void read_and_cut() {
    if (!harness_.start()) return;
    while (auto taken = harness_.take()) {
      sent_[taken->chunk.seq] = std::move(taken->loaded.bytes);
    }
    harness_.stop();
    files_.cut_power();
  }

  // Whatever was sent comes again as it was.
  void expect_same_bytes() {
    while (auto taken = harness_.take()) {
      EXPECT_FALSE(taken->loaded.damaged);
      const auto sent = sent_.find(taken->chunk.seq);
      if (sent != sent_.end()) {
        EXPECT_TRUE(taken->loaded.bytes == sent->second);
        sent_.erase(sent);
      }
      harness_.finish(*taken);
    }
    EXPECT_TRUE(sent_.empty());
  }

  uint64_t removed() { return harness_.registry.total(Metric::kSegmentsRemoved); }

 private:
  // Rolls once; a chunk stays behind, so that a segment in the middle goes before an older one.
  bool one_life(int life) {
    for (int i = 0; i < 6; ++i) {
      harness_.append({std::string(900'000, 'r')});
      harness_.log().appender().seal_all(SealReason::kForced);
      harness_.commit();
      if (disk_.stopped()) return false;
    }
    const size_t stay = life == 2 ? 0 : 1;
    std::vector<LogHarness::Taken> taken;
    while (auto next = harness_.take()) {
      taken.push_back(std::move(*next));
    }
    for (size_t i = stay; i < taken.size(); ++i) {
      harness_.finish(taken[i]);
    }
    harness_.log().tend();
    return !disk_.stopped();
  }

  io::LossyFileSystem files_;
  StoppingFileSystem disk_{files_};
  LogHarness harness_{disk_};
  std::map<uint64_t, std::string> sent_;
};

TEST(CrashPoint, NoneMakesAStartTellOfDamage) {
  constexpr uint64_t kStep = testing::unless_sanitized(1, 7);
  uint64_t points = 0;
  for (const End end : {End::kKill, End::kCut, End::kCutThatKeepsHalf, End::kKillThenCut}) {
    bool whole = false;
    for (uint64_t operations = 1; !whole; operations += kStep) {
      SCOPED_TRACE("operations " + std::to_string(operations));
      Lives lives;
      whole = lives.run(operations);
      if (whole) {
        EXPECT_GT(lives.removed(), 3U);
      }
      lives.expect_no_alarm(end);
      if (HasFailure()) return;
      ++points;
    }
  }
  std::printf("crash points %lu\n", points);
  EXPECT_GT(points, 100U / kStep);
}

}  // namespace
}  // namespace millrace::buffer
