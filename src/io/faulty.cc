// SPDX-License-Identifier: Apache-2.0
#include "io/faulty.h"

#include <fnmatch.h>

#include <algorithm>

namespace millrace::io {
namespace {

// The first `bytes` bytes of the parts.
std::vector<iovec> first_of(std::span<const iovec> parts, uint64_t bytes) {
  std::vector<iovec> taken;
  for (const iovec& part : parts) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(part.iov_len, bytes));
    if (size > 0) taken.push_back(iovec{part.iov_base, size});
    bytes -= size;
  }
  return taken;
}

}  // namespace

const char* name_of(Call call) {
  static constexpr const char* kNames[kCalls] = {
      "open",   "read",   "write",  "sync",           "allocate",         "truncate",
      "size",   "rename", "unlink", "sync_directory", "make_directories", "list",
      "exists", "lock"};
  return kNames[static_cast<int>(call)];
}

void FaultyFileSystem::set(std::optional<Fault> fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
  seen_ = 0;
  failed_ = 0;
}

uint64_t FaultyFileSystem::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

// True if the rule is about other bytes than these.
bool FaultyFileSystem::spares(uint64_t offset, uint64_t bytes) const {
  const std::lock_guard lock(mutex_);
  return fault_ && (offset >= fault_->to_offset || offset + bytes <= fault_->from_offset);
}

// The rule, if this call is one that fails.
std::optional<Fault> FaultyFileSystem::strikes(Call call, const std::string& path,
                                               const std::string& other) {
  std::optional<Fault> fault;
  {
    const std::lock_guard lock(mutex_);
    if (!fault_ || fault_->call != call) return std::nullopt;
    const char* glob = fault_->path_glob.c_str();
    if (::fnmatch(glob, path.c_str(), 0) != 0 &&
        (other.empty() || ::fnmatch(glob, other.c_str(), 0) != 0)) {
      return std::nullopt;
    }
    ++seen_;
    if (seen_ < fault_->nth || seen_ - fault_->nth >= fault_->times) return std::nullopt;
    ++failed_;
    fault = fault_;
  }
  if (fault->before) fault->before();
  return fault;
}

template <class Do>
auto FaultyFileSystem::pass(Call call, const std::string& path, const Do& work)
    -> decltype(work()) {
  const std::optional<Fault> fault = strikes(call, path);
  if (!fault) return work();
  if (fault->done_all_the_same) (void)work();
  return fail_errno(fault->errno_value, std::string(name_of(call)) + " " + path);
}

class FaultyFile : public File {
 public:
  FaultyFile(FaultyFileSystem& system, std::unique_ptr<File> below, std::string path)
      : system_(system), below_(std::move(below)), path_(std::move(path)) {}

  Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
    if (system_.spares(offset, size)) return below_->pread(out, size, offset);
    return system_.pass(Call::kRead, path_, [&] { return below_->pread(out, size, offset); });
  }
  Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
    const std::optional<Fault> fault = system_.strikes(Call::kWrite, path_);
    if (!fault) return below_->pwritev(parts, offset);
    if (fault->done_all_the_same) {
      (void)below_->pwritev(parts, offset);
    } else if (fault->bytes_first > 0) {
      (void)below_->pwritev(first_of(parts, fault->bytes_first), offset);
    }
    return fail_errno(fault->errno_value, "write " + path_);
  }
  Result<> fdatasync() override {
    return sync([&] { return below_->fdatasync(); });
  }
  Result<> fsync() override {
    return sync([&] { return below_->fsync(); });
  }
  Result<> allocate(uint64_t size) override {
    return system_.pass(Call::kAllocate, path_, [&] { return below_->allocate(size); });
  }
  Result<> truncate(uint64_t size) override {
    return system_.pass(Call::kTruncate, path_, [&] { return below_->truncate(size); });
  }
  Result<uint64_t> size() override {
    return system_.pass(Call::kSize, path_, [&] { return below_->size(); });
  }

 private:
  template <class Do>
  Result<> sync(const Do& work) {
    if (sync_failed_) ++system_.syncs_after_failure_;
    auto synced = system_.pass(Call::kSync, path_, work);
    if (!synced) sync_failed_ = true;
    return synced;
  }

  FaultyFileSystem& system_;
  const std::unique_ptr<File> below_;
  const std::string path_;
  std::atomic<bool> sync_failed_{false};
};

Result<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path, OpenMode mode) {
  auto file = pass(Call::kOpen, path, [&] { return below_.open(path, mode); });
  if (!file) return file;
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(*this, std::move(*file), path));
}

Result<> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  const std::optional<Fault> fault = strikes(Call::kRename, from, to);
  if (!fault) return below_.rename(from, to);
  if (fault->done_all_the_same) (void)below_.rename(from, to);
  return fail_errno(fault->errno_value, "rename " + from + " -> " + to);
}

Result<> FaultyFileSystem::unlink(const std::string& path) {
  return pass(Call::kUnlink, path, [&] { return below_.unlink(path); });
}

Result<> FaultyFileSystem::sync_directory(const std::string& path) {
  return pass(Call::kSyncDirectory, path, [&] { return below_.sync_directory(path); });
}

Result<> FaultyFileSystem::make_directories(const std::string& path) {
  return pass(Call::kMakeDirectories, path, [&] { return below_.make_directories(path); });
}

Result<std::vector<DirectoryEntry>> FaultyFileSystem::list(const std::string& path) {
  return pass(Call::kList, path, [&] { return below_.list(path); });
}

Result<bool> FaultyFileSystem::exists(const std::string& path) {
  return pass(Call::kExists, path, [&] { return below_.exists(path); });
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::lock(const std::string& path) {
  return pass(Call::kLock, path, [&] { return below_.lock(path); });
}

}  // namespace millrace::io
