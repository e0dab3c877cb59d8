// SPDX-License-Identifier: Apache-2.0
// What the disk refuses. fdatasync and ftruncate are replaced for this executable, and do what
// libc's do unless a test says otherwise.
#include "output/local/local_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

namespace {

struct Disk {
  std::atomic<int> syncs{0};
  std::atomic<bool> refuse_truncate{false};
  std::function<int(int fd, int count)> on_sync;  // errno; set while no other thread runs
};
Disk& disk() {
  static Disk instance;
  return instance;
}

}  // namespace

extern "C" int fdatasync(int fd) {
  const int count = ++disk().syncs;
  const int error = disk().on_sync ? disk().on_sync(fd, count) : 0;
  if (error == 0) return static_cast<int>(::syscall(SYS_fdatasync, fd));
  errno = error;
  return -1;
}

extern "C" int ftruncate(int fd, off_t size) noexcept {
  if (!disk().refuse_truncate) return static_cast<int>(::syscall(SYS_ftruncate, fd, size));
  errno = EIO;
  return -1;
}

namespace millrace::output {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LocalStreamOnABadDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/millrace_stream_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    disk().syncs = 0;
    disk().refuse_truncate = false;
    open();
  }
  void TearDown() override {
    disk().on_sync = nullptr;
    disk().refuse_truncate = false;
    stream_.reset();
    fs::remove_all(folder_);
  }

  void open() {
    stream_.reset();
    auto opened = LocalStream::open(folder_, 1 << 20);
    ASSERT_TRUE(opened) << opened.error().message;
    stream_ = std::move(*opened);
  }

  Result<uint64_t> append(const std::string& text) {
    std::string line =
        std::string(kLineStart) + std::string(kSequenceDigits, '0') + "\"" + text + "\n";
    return stream_->append(line);
  }

  // The texts of all whole lines, files in order.
  std::vector<std::string> texts() const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> all;
    for (const std::string& path : paths) {
      std::ifstream in(path);
      for (std::string line; std::getline(in, line);) {
        EXPECT_NE(sequence_of(line), 0u);
        all.push_back(line.substr(kLineStart.size() + kSequenceDigits + 1));
      }
    }
    return all;
  }

  // Holds the first fdatasync until the file has `lines` lines of `bytes`, then returns `error`.
  void hold_first_sync(off_t bytes, int error) {
    disk().syncs = 0;
    disk().on_sync = [bytes, error](int fd, int count) {
      if (count != 1) return 0;
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
      struct stat status = {};
      while (::fstat(fd, &status) == 0 && status.st_size < bytes &&
             std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
      }
      return error;
    };
  }

  std::string folder_;
  std::unique_ptr<LocalStream> stream_;
};

constexpr int kThreads = 8;
const off_t kLineBytes = static_cast<off_t>(kLineStart.size() + kSequenceDigits + 2 + 1);

// One writer syncs; the seven that come meanwhile share the next.
TEST_F(LocalStreamOnABadDisk, WaitingAppendsShareASync) {
  hold_first_sync(kThreads * kLineBytes, 0);
  std::vector<std::thread> threads;
  std::atomic<int> stored{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      if (append(std::to_string(t))) ++stored;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(stored, kThreads);
  EXPECT_EQ(disk().syncs, 2);
  EXPECT_EQ(texts().size(), static_cast<size_t>(kThreads));
}

TEST_F(LocalStreamOnABadDisk, AFailedSyncFailsAllThatItWouldHaveCovered) {
  ASSERT_TRUE(append("a"));
  hold_first_sync((1 + kThreads) * kLineBytes, EIO);
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto result = append(std::to_string(t));
      if (!result && result.error().errno_value == EIO) ++failed;
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failed, kThreads);
  EXPECT_EQ(disk().syncs, 1);
  const auto next = append("b");
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_THAT(texts(), ::testing::ElementsAre("a", "b"));
}

TEST_F(LocalStreamOnABadDisk, AFullDiskAtTheSyncIsNoSpaceWithThePath) {
  disk().on_sync = [](int, int) { return ENOSPC; };
  const auto result = append("a");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kNoSpace);
  EXPECT_THAT(result.error().message, HasSubstr(folder_ + "/local.00000001.jsonl"));
  EXPECT_TRUE(texts().empty());
}

TEST_F(LocalStreamOnABadDisk, GoesOnInANewFileWhenTheOldCannotBeCut) {
  ASSERT_TRUE(append("a"));
  disk().on_sync = [](int, int) { return EIO; };
  disk().refuse_truncate = true;
  ASSERT_FALSE(append("b"));
  disk().on_sync = nullptr;
  disk().refuse_truncate = false;
  ASSERT_TRUE(append("c"));
  EXPECT_TRUE(fs::exists(folder_ + "/local.00000002.jsonl"));
  EXPECT_THAT(texts(), ::testing::ElementsAre("a", "b", "c"));
  open();
  const auto result = append("d");
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, kFirstSequence + 4);
}

}  // namespace
}  // namespace millrace::output
