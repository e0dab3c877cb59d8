// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts faults between a program and any file system: the n-th call that fits a rule fails with a
// given errno, once or from then on. A failing write may have put down its first bytes; any failing
// call may have done its work all the same. It tells whether the rule struck, so that a test can go
// on until no call is left that has not failed, and whether a file was synced again after a sync of
// it had failed. Passes everything else through. Invariant: without a rule it changes nothing. Any
// thread; rules are set from one. The file system below must outlive it.

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "io/io.h"

namespace millrace::io {

enum class Call : uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,  // fdatasync and fsync of a file
  kAllocate,
  kTruncate,
  kSize,
  kRename,
  kUnlink,
  kSyncDirectory,
  kMakeDirectories,
  kList,
  kExists,
  kLock,
};
constexpr uint64_t kForEver = UINT64_MAX;
constexpr int kCalls = static_cast<int>(Call::kLock) + 1;
const char* name_of(Call call);

struct Fault {
  Call call = Call::kWrite;
  std::string path_glob = "*";  // fnmatch(3), of the whole path; a rename by its old or new one,
                                // a file by the path that it was opened by
  uint64_t nth = 1;             // of the calls that fit, from when the rule was set
  int errno_value = EIO;
  uint64_t times = 1;        // so many calls in a row fail
  uint64_t bytes_first = 0;  // kWrite: so many bytes are written before it fails
  uint64_t from_offset = 0;  // kRead: only of bytes in [from_offset, to_offset), as a bad sector
  uint64_t to_offset = UINT64_MAX;
  bool done_all_the_same = false;
  std::function<void()> before;  // called when it is about to fail
};

class FaultyFileSystem : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& below) : below_(below) {}

  /// One rule at a time; nothing: none. Counting begins again.
  void set(std::optional<Fault> fault);
  /// Calls that fitted the rule, whether or not they were to fail.
  uint64_t seen() const;
  /// Calls that have failed by the rule.
  uint64_t failed() const { return failed_; }
  /// Syncs of an open file of which an earlier sync had failed: whatever they return is a lie.
  uint64_t syncs_after_failure() const { return syncs_after_failure_; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> unlink(const std::string& path) override;
  Result<> sync_directory(const std::string& path) override;
  Result<> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override { return below_.free_bytes(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  friend class FaultyFile;

  bool spares(uint64_t offset, uint64_t bytes) const;
  std::optional<Fault> strikes(Call call, const std::string& path, const std::string& other = "");
  template <class Do>
  auto pass(Call call, const std::string& path, const Do& work) -> decltype(work());

  FileSystem& below_;
  mutable std::mutex mutex_;  // guards the two below
  std::optional<Fault> fault_;
  uint64_t seen_ = 0;
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> syncs_after_failure_{0};
};

}  // namespace millrace::io
