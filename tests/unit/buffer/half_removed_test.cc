// SPDX-License-Identifier: Apache-2.0
// A segment is cut in steps before it is unlinked. Wherever that ends, by an error, a kill or a
// power cut, nothing is lost, nothing is told as damage, and the file goes in the end.

#include <gtest/gtest.h>

#include "buffer/log_view.h"
#include "buffer/segment_file.h"
#include "io/faulty.h"
#include "io/simulated.h"
#include "tests/support/log_harness.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

const std::string kDirectory = "/buffer/worker0/out/buffer";
constexpr int kChunks = 10;
constexpr uint64_t kHourMs = 3'600'000;

std::vector<io::DirectoryEntry> segments_of(io::FileSystem& files) {
  std::vector<io::DirectoryEntry> found;
  const auto entries = files.list(kDirectory);
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.name.ends_with(".log")) found.push_back(entry);
  }
  return found;
}

std::string record(int number) { return std::string(900'000, static_cast<char>('a' + number)); }

RequestKey key(int number) { return RequestKey{static_cast<char>(1 + number)}; }

/// Stores ten chunks in several segments and delivers five, so that the first segment is removed.
/// Calls of its removal fail by `fault`.
class HalfRemoved : public ::testing::Test {
 protected:
  void live(std::optional<io::Fault> fault) {
    harness_.profile.chunk_bytes_max = 1 << 20;
    harness_.keys = &keys_;
    ASSERT_TRUE(harness_.start());
    for (int i = 0; i < kChunks; ++i) {
      harness_.next_key = key(i);
      harness_.append({record(i)});
      harness_.log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness_.commit());
    }
    harness_.log().tend();
    ASSERT_GE(segments_of(disk_).size(), 2U);
    whole_bytes_ = segments_of(disk_)[0].size;
    files_.set(std::move(fault));
    for (int i = 0; i < kChunks / 2; ++i) harness_.finish(*harness_.take());
    harness_.log().tend();
    files_.set(std::nullopt);
  }

  // The removal ends after `steps` cuts; false if that was all of them.
  bool live_and_cut(uint64_t steps) {
    live(io::Fault{.call = io::Call::kTruncate, .nth = steps + 1, .times = io::kForEver});
    const uint64_t cut = steps * kShrinkStepBytes;
    if (cut + kSegmentHeaderBytes >= whole_bytes_) return false;
    EXPECT_EQ(segments_of(disk_)[0].size, whole_bytes_ - cut);
    return true;
  }

  // A start on what is left finds what was not delivered, all keys, and nothing to complain of.
  static void expect_whole(io::DiskState state) {
    io::SimulatedFileSystem left(std::move(state));
    const auto view = LogView::take(left, kDirectory, true);
    ASSERT_TRUE(view) << view.error().message;
    EXPECT_TRUE((*view)->damages().empty()) << (*view)->damages()[0].what;
    KeyTable keys(kHourMs);
    LogHarness next(left, kDirectory);
    next.keys = &keys;
    ::testing::internal::CaptureStderr();
    const auto started = next.start();
    const std::string lines = ::testing::internal::GetCapturedStderr();
    ASSERT_TRUE(started) << started.error().message;
    EXPECT_EQ(lines.find(" error "), std::string::npos) << lines;
    EXPECT_EQ(lines.find(" warn "), std::string::npos) << lines;
    for (const Metric metric : {Metric::kMissingSegments, Metric::kCorruptBytes}) {
      EXPECT_EQ(next.registry.total(metric), 0U);
    }
    for (int i = 0; i < kChunks; ++i) EXPECT_TRUE(keys.is_durable(key(i), 1)) << i;
    for (int i = kChunks / 2; i < kChunks; ++i) {
      auto taken = next.take();
      ASSERT_TRUE(taken);
      EXPECT_TRUE(taken->loaded.bytes.ends_with(record(i))) << i;
      next.finish(*taken);
    }
    EXPECT_FALSE(next.take());
    next.log().tend();
    EXPECT_EQ(segments_of(left).size(), 1U);
  }

  io::SimulatedFileSystem disk_;
  io::FaultyFileSystem files_{disk_};
  KeyTable keys_{kHourMs};
  LogHarness harness_{files_, kDirectory};
  uint64_t whole_bytes_ = 0;
};

/// After so many cuts.
class HalfRemovedAfter : public HalfRemoved, public ::testing::WithParamInterface<uint64_t> {};

TEST_F(HalfRemoved, AnErrorInTheMidstIsTriedAgain) {
  live(io::Fault{.call = io::Call::kTruncate, .nth = 3});
  const std::string first = segments_of(disk_)[0].name;
  EXPECT_EQ(segments_of(disk_)[0].size, whole_bytes_ - 2 * kShrinkStepBytes);
  EXPECT_EQ(harness_.registry.total(Metric::kSegmentsRemoved), 0U);
  harness_.clock.running += 10'000;
  harness_.log().tend();
  EXPECT_EQ(harness_.registry.total(Metric::kSegmentsRemoved), 1U);
  EXPECT_NE(segments_of(disk_)[0].name, first);
  harness_.stop();
  expect_whole(disk_.state());
}

TEST_P(HalfRemovedAfter, AKill) {
  ASSERT_TRUE(live_and_cut(GetParam()));
  harness_.stop();
  expect_whole(disk_.state().after_kill());
}

// Of the cuts that were not synced the disk may have any; and a second life may end there as well.
TEST_P(HalfRemovedAfter, APowerCut) {
  ASSERT_TRUE(live_and_cut(GetParam()));
  harness_.stop();
  const io::DiskState state = disk_.state();
  std::vector<io::Survival> survives(state.change_count());
  expect_whole(state.after_power_cut(survives));
  for (io::Survival& change : survives) {
    change.how = io::Survival::How::kWhole;
    expect_whole(state.after_power_cut(survives));
  }
}

/// The first of four segments is live, the second is removed, the third is being removed.
class HalfRemovedBehindALiveOne : public ::testing::Test {
 protected:
  static constexpr size_t kStored = 40;
  static constexpr size_t kOfTheFirst = 4;

  void SetUp() override {
    LogHarness harness(files_, kDirectory);
    harness.profile.chunk_bytes_max = 1 << 20;
    ASSERT_TRUE(harness.start());
    for (size_t i = 0; i < kStored; ++i) {
      harness.append({record(static_cast<int>(i % 26))});
      harness.log().appender().seal_all(SealReason::kForced);
      ASSERT_TRUE(harness.commit());
      harness.log().tend();
    }
    const std::vector<io::DirectoryEntry> segments = segments_of(disk_);
    ASSERT_EQ(segments.size(), 4U);
    uint32_t epoch = 0;
    ASSERT_TRUE(parse_segment_name(segments[3].name, epoch, newest_base_));
    std::vector<LogHarness::Taken> taken;
    while (auto one = harness.take()) taken.push_back(std::move(*one));
    for (const LogHarness::Taken& one : taken) {
      const bool of_the_first = one.chunk.seq - taken[0].chunk.seq < kOfTheFirst;
      if (of_the_first || one.chunk.shares.front().lsn >= newest_base_) {
        left_.push_back(one.chunk.id.uuid());
      } else {
        harness.finish(one);
      }
    }
    ASSERT_GT(left_.size(), kOfTheFirst);
    ASSERT_LT(left_.size(), kStored);
    files_.set(io::Fault{.call = io::Call::kTruncate,
                         .path_glob = "*/" + segments[2].name,
                         .nth = 4,
                         .times = io::kForEver});
    harness.log().tend();
    ASSERT_EQ(segments_of(disk_).size(), 3U);
    ASSERT_EQ(segments_of(disk_)[1].size, segments[2].size - 3 * kShrinkStepBytes);
  }

  // A life that ends before its housekeeping has begun.
  void start_and_kill() {
    disk_.set(disk_.state().after_kill());
    LogHarness life(disk_, kDirectory);
    ASSERT_TRUE(life.start());
  }

  void expect_left(io::DiskState state) {
    io::SimulatedFileSystem left(std::move(state));
    LogHarness life(left, kDirectory);
    ASSERT_TRUE(life.start());
    std::vector<std::string> found;
    while (auto one = life.take()) found.push_back(one->chunk.id.uuid());
    EXPECT_EQ(found, left_);
    EXPECT_EQ(life.registry.total(Metric::kMissingSegments), 0U);
    EXPECT_EQ(life.registry.total(Metric::kCorruptBytes), 0U);
  }

  io::SimulatedFileSystem disk_;
  io::FaultyFileSystem files_{disk_};
  uint64_t newest_base_ = 0;
  std::vector<std::string> left_;  // ids of the chunks that were not delivered
};

TEST_F(HalfRemovedBehindALiveOne, ALifeLater) { expect_left(disk_.state().after_kill()); }

// The G lines of both are one by then. The disk may still undo the cuts.
TEST_F(HalfRemovedBehindALiveOne, SomeLivesAndAPowerCutLater) {
  for (int lives = 0; lives < 3; ++lives) {
    SCOPED_TRACE(lives);
    start_and_kill();
    expect_left(disk_.state().after_kill());
    const io::DiskState state = disk_.state();
    std::vector<io::Survival> survives(state.change_count());
    expect_left(state.after_power_cut(survives));
    for (io::Survival& change : survives) change.how = io::Survival::How::kWhole;
    expect_left(state.after_power_cut(survives));
  }
}

INSTANTIATE_TEST_SUITE_P(Cuts, HalfRemovedAfter, ::testing::Range<uint64_t>(0, 7));

}  // namespace
}  // namespace millrace::buffer
