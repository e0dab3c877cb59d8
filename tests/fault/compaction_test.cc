// SPDX-License-Identifier: Apache-2.0
// A position file is rewritten without the lines of segments that are gone. Gone is a segment when
// its directory was synced: until then a power cut may bring it back, with chunks that were
// delivered long ago.

#include "io/faulty.h"
#include "tests/fault/story.h"
#include "tests/support/log_harness.h"

namespace millrace::fault {
namespace {

using metrics::Metric;
using testing::LogHarness;

constexpr size_t kChunks = 14'000;  // more lines than a position file has at first
constexpr size_t kTogether = 500;

class Compaction : public StoryTest {
 protected:
  Compaction() { harness_.profile.records_max = 1; }

  // Chunks in two segments, all delivered; nothing is synced yet of that.
  void store_and_deliver() {
    ASSERT_TRUE(harness_.start());
    for (size_t stored = 0; stored < kChunks; stored += kTogether) {
      harness_.append(std::vector<std::string>(kTogether, "record;"));
      ASSERT_TRUE(harness_.commit());
    }
    ASSERT_GT(harness_.registry.total(Metric::kRolls), 0U);
    ASSERT_EQ(harness_.log().queue().counts().due, kChunks);
    for (size_t i = 0; i < kChunks; ++i) {
      harness_.log().finish(*harness_.log().queue().take(), buffer::Finish::kDelivered);
    }
  }

  // Every choice of the names that are not on disk yet, with all bytes that are not or none.
  void check_power_cuts(const io::DiskState& disk) {
    const auto changes = disk.changes();
    std::vector<size_t> names;
    for (size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].of_name) names.push_back(i);
    }
    ASSERT_LE(names.size(), 6U);
    for (const auto how : {io::Survival::How::kLost, io::Survival::How::kWhole}) {
      for (size_t choice = 0; choice < size_t{1} << names.size(); ++choice) {
        std::vector<io::Survival> survives(changes.size(), io::Survival{.how = how});
        for (size_t i = 0; i < names.size(); ++i) {
          survives[names[i]].how =
              (choice >> i & 1) != 0 ? io::Survival::How::kWhole : io::Survival::How::kLost;
        }
        check_start(disk.after_power_cut(survives));
      }
    }
  }

  void check_start(const io::DiskState& disk) {
    if (!seen_.insert(disk.hash()).second) return;
    io::SimulatedFileSystem files(disk);
    LogHarness next(files);
    ASSERT_TRUE(next.start());
    EXPECT_EQ(next.log().queue().counts().queued, 0U) << "delivered chunks come again";
    EXPECT_EQ(next.registry.total(Metric::kMissingSegments), 0U);
    EXPECT_EQ(next.registry.total(Metric::kDamagedChunks), 0U);
  }

  std::string position() {
    return *io::read_whole(disk_, "/buffer/worker0/out/buffer/chunks.pos", 64 << 20);
  }
  uint64_t lines() {
    const std::string text = position();
    return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  }

  io::SimulatedFileSystem disk_;
  io::FaultyFileSystem faulty_{disk_};
  LogHarness harness_{faulty_};
  std::set<uint64_t> seen_;
};

TEST_F(Compaction, F5ARemovalThatIsUndoneAfterACompactionBringsNoRepeat) {
  store_and_deliver();
  faulty_.set(io::Fault{.call = io::Call::kSyncDirectory, .path_glob = "*/buffer"});
  harness_.log().tend();
  ASSERT_EQ(faulty_.failed(), 1U) << "after the removal";
  ASSERT_GT(harness_.registry.total(Metric::kSegmentsRemoved), 0U);
  ASSERT_GT(lines(), kChunks);
  disk_.watch([this](const io::DiskOperation&) { check_power_cuts(disk_.state()); });
  for (int rounds = 0; rounds < 3 && !HasFailure(); ++rounds) harness_.log().tend();
  disk_.watch(nullptr);
  check_power_cuts(disk_.state());
  EXPECT_LT(lines(), kChunks / 2) << "it was rewritten";
  std::printf("power cuts around a compaction %zu\n", seen_.size());
  EXPECT_GT(seen_.size(), 4U);
}

// A life that ended while it rewrote the file leaves chunks.pos.next, and another may go on in the
// old file for long, on a full disk. The lines in what was left are of segments that are gone.
TEST_F(Compaction, F7AnOldFileThatComesBackAfterARewriteTellsOfNoLoss) {
  std::string left;
  for (int lives = 0; lives < 3; ++lives) {
    ASSERT_TRUE(harness_.start());
    for (int i = 0; i < 2; ++i) {
      harness_.append({"record;"});
      ASSERT_TRUE(harness_.commit());
      harness_.log().finish(*harness_.log().queue().take(), buffer::Finish::kDelivered);
    }
    if (lives == 0) left = position();
    for (int rounds = 0; rounds < 3; ++rounds) harness_.log().tend();
    harness_.stop();
  }
  ASSERT_GT(harness_.registry.total(Metric::kSegmentsRemoved), 1U);
  ASSERT_TRUE(io::write_whole(disk_, "/buffer/worker0/out/buffer/chunks.pos.next", left));
  ASSERT_TRUE(disk_.sync_directory("/buffer/worker0/out/buffer"));
  disk_.watch([this](const io::DiskOperation&) { check_power_cuts(disk_.state()); });
  ASSERT_TRUE(harness_.start());
  disk_.watch(nullptr);
  check_power_cuts(disk_.state());
  EXPECT_GT(seen_.size(), 4U);
}

}  // namespace
}  // namespace millrace::fault
