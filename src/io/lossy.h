// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file system in memory with a power switch, for tests: what was written lies in a cache, and
// only what was synced survives cut_power(). Names are kept apart from contents: a created or
// renamed file survives under its name only after sync_directory. A sync that is told to fail
// leaves the data "clean" as Linux does: a later sync returns success and still does not make it
// durable. Invariant: after cut_power() every file holds exactly what was durable. Any thread; one
// mutex.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "io/io.h"

namespace millrace::io {

class LossyFileSystem : public FileSystem {
 public:
  LossyFileSystem();
  ~LossyFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> unlink(const std::string& path) override;
  Result<> sync_directory(const std::string& path) override;
  Result<> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  /// The machine loses power: caches and unsynced names are gone, locks too. `keep` decides for
  /// each unsynced 512-byte sector whether it reached the disk all the same (none if not given).
  void cut_power(const std::function<bool()>& keep = nullptr);
  /// The next `count` syncs of files fail with EIO.
  void fail_syncs(int count);
  /// Bytes that all files together may reserve; then ENOSPC.
  void set_capacity(uint64_t bytes);
  uint64_t syncs() const;

 private:
  friend class LossyFile;
  struct Inode;

  uint64_t reserved_bytes() const;  // mutex held

  mutable std::mutex mutex_;                                     // guards all below
  std::map<std::string, std::shared_ptr<Inode>> names_;          // as the process sees them
  std::map<std::string, std::shared_ptr<Inode>> durable_names_;  // as a power cut leaves them
  std::set<std::string> directories_;
  std::set<std::string> locks_;
  uint64_t capacity_ = UINT64_MAX;
  uint64_t syncs_ = 0;
  int syncs_to_fail_ = 0;
};

}  // namespace millrace::io
