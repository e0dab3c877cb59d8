// SPDX-License-Identifier: Apache-2.0
#pragma once

// A machine in memory, for tests: a disk with a power switch (disk_state.h tells what a power cut
// may leave), a clock that stands still until it is told, and random numbers of one seed. What a
// test did with the same seed and the same calls it does again. Each operation that changes the
// disk can be watched just before it happens: that is where a test cuts. Does not fail on its own
// but for fail_syncs() and set_capacity(); io/faulty.h does. Any thread; one mutex, which is not
// held while the watcher runs.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "io/disk_state.h"
#include "io/io.h"

namespace millrace::io {

/// An operation that changes the disk.
struct DiskOperation {
  const char* name;  // "write", "fdatasync" ...
  std::string path;
  uint64_t offset = 0;
  uint64_t bytes = 0;

  std::string text() const;
};

class SimulatedFileSystem : public FileSystem {
 public:
  SimulatedFileSystem() = default;
  explicit SimulatedFileSystem(DiskState disk) : disk_(std::move(disk)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> unlink(const std::string& path) override;
  Result<> sync_directory(const std::string& path) override;
  Result<> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  /// Called before each operation that changes the disk, on the thread that does it. Set while
  /// nothing runs.
  void watch(std::function<void(const DiskOperation&)> watcher) { watcher_ = std::move(watcher); }
  /// The disk as it is now.
  DiskState state() const;
  /// Another disk in its place. Files must be closed.
  void set(DiskState disk);
  /// The machine loses power: caches and unsynced names are gone. `keep` decides for each sector
  /// whether it reached the disk all the same (none if not given). Files must be closed.
  void cut_power(const std::function<bool()>& keep = nullptr);

  /// The next `count` syncs of files fail with EIO, and leave the pages clean.
  void fail_syncs(int count);
  /// Bytes that all files together may have; then ENOSPC and, unless only reservations count, EIO
  /// from a write that makes a file larger (real.h).
  void set_capacity(uint64_t bytes, bool reservations_only = false);
  /// Bytes that one file whose name begins with `prefix` may reserve; then ENOSPC. Makes small
  /// logs.
  void set_reservation_max(std::string prefix, uint64_t bytes);
  uint64_t syncs() const;

  /// A file as if it had always been there.
  void put(const std::string& path, std::string_view bytes);
  /// As if every file had been cut to what was written.
  void forget_reserved();

 private:
  friend class SimulatedFile;

  void about_to(const char* name, const std::string& path, uint64_t offset = 0, uint64_t bytes = 0);
  uint64_t bytes_of_files() const;  // mutex held
  bool has_room(InodeId inode, uint64_t size) const;

  std::function<void(const DiskOperation&)> watcher_;
  mutable std::mutex mutex_;  // guards all below
  DiskState disk_;
  std::set<std::string> locks_;
  uint64_t capacity_ = UINT64_MAX;
  bool reservations_only_ = false;
  std::string small_prefix_;
  uint64_t small_bytes_ = UINT64_MAX;
  uint64_t syncs_ = 0;
  int syncs_to_fail_ = 0;
};

/// Both clocks stand still until they are set; any thread.
class SimulatedClock : public Clock {
 public:
  uint64_t running_ms() override { return running; }
  uint64_t wall_us() override { return wall; }
  void pass(uint64_t ms) {
    running += ms;
    wall += ms * 1000;
  }

  std::atomic<uint64_t> running{1'000'000};
  std::atomic<uint64_t> wall{1'700'000'000'000'000};
};

/// SplitMix64: every number follows from the seed. One thread at a time.
class SimulatedRandom : public Random {
 public:
  explicit SimulatedRandom(uint64_t seed) : state_(seed) {}
  uint64_t next() override;
  /// Evenly enough in [0, limit).
  uint64_t below(uint64_t limit) { return next() % limit; }
  bool one_in(uint64_t count) { return below(count) == 0; }

 private:
  uint64_t state_;
};

}  // namespace millrace::io
