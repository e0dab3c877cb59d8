// SPDX-License-Identifier: Apache-2.0
// A few lives of a log with rolls, removals and recoveries, stopped at every single operation that
// changes the disk, by a kill or by a power cut. No start afterwards may tell of damage.

#include <gtest/gtest.h>

#include <map>

#include "io/lossy.h"
#include "tests/support/log_harness.h"
#include "tests/support/sanitized.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;
using testing::LogHarness;

/// Passes on the first `limit` operations that change the disk; the process that does the next one
/// is dead without knowing it: from there on nothing changes, and every call succeeds.
class StoppingFileSystem : public io::FileSystem {
 public:
  explicit StoppingFileSystem(io::FileSystem& files) : files_(files) {}

  void stop_after(uint64_t limit) {
    left_ = limit;
    stopped_ = false;
  }
  bool stopped() const { return stopped_; }
  bool passes() {
    if (left_ == 0) stopped_ = true;
    if (!stopped_) --left_;
    return !stopped_;
  }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    if (mode == io::OpenMode::kCreate && !passes()) {
      return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, nullptr));
    }
    auto file = files_.open(path, mode);
    if (!file) return file;
    return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, std::move(*file)));
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return passes() ? files_.rename(from, to) : Result<>();
  }
  Result<> unlink(const std::string& path) override {
    return passes() ? files_.unlink(path) : Result<>();
  }
  Result<> sync_directory(const std::string& path) override {
    return passes() ? files_.sync_directory(path) : Result<>();
  }
  Result<> make_directories(const std::string& path) override {
    return files_.make_directories(path);
  }
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override {
    return files_.list(path);
  }
  Result<bool> exists(const std::string& path) override { return files_.exists(path); }
  Result<uint64_t> free_bytes(const std::string& path) override { return files_.free_bytes(path); }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override {
    return files_.lock(path);
  }

 private:
  class OpenFile : public io::File {
   public:
    OpenFile(StoppingFileSystem& disk, std::unique_ptr<io::File> file)
        : disk_(disk), file_(std::move(file)) {}

    Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
      return file_ == nullptr ? Result<size_t>(size_t{0}) : file_->pread(out, size, offset);
    }
    Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
      return disk_.passes() ? file_->pwritev(parts, offset) : Result<>();
    }
    Result<> fdatasync() override { return disk_.passes() ? file_->fdatasync() : Result<>(); }
    Result<> fsync() override { return disk_.passes() ? file_->fsync() : Result<>(); }
    Result<> allocate(uint64_t size) override {
      return disk_.passes() ? file_->allocate(size) : Result<>();
    }
    Result<> truncate(uint64_t size) override {
      return disk_.passes() ? file_->truncate(size) : Result<>();
    }
    Result<uint64_t> size() override { return file_ == nullptr ? uint64_t{0} : file_->size(); }

   private:
    StoppingFileSystem& disk_;
    const std::unique_ptr<io::File> file_;  // null: made by a process that is dead
  };

  io::FileSystem& files_;
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
