// SPDX-License-Identifier: Apache-2.0
#include "io/lossy.h"

#include <algorithm>
#include <cerrno>

namespace millrace::io {
namespace {

constexpr uint64_t kSectorBytes = 512;

std::string directory_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

}  // namespace

struct LossyFileSystem::Inode {
  std::string cache;
  std::string durable;
  std::set<uint64_t> dirty;  // sectors of the cache that are not durable
};

class LossyFile : public File {
 public:
  LossyFile(LossyFileSystem& system, std::shared_ptr<LossyFileSystem::Inode> inode)
      : system_(system), inode_(std::move(inode)) {}

  Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
    const std::lock_guard lock(system_.mutex_);
    if (offset >= inode_->cache.size()) return size_t{0};
    const size_t part = std::min<size_t>(size, inode_->cache.size() - offset);
    std::copy_n(inode_->cache.data() + offset, part, out);
    return part;
  }

  Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
    const std::lock_guard lock(system_.mutex_);
    for (const iovec& part : parts) {
      if (part.iov_len == 0) continue;
      if (inode_->cache.size() < offset + part.iov_len) inode_->cache.resize(offset + part.iov_len);
      std::copy_n(static_cast<const char*>(part.iov_base), part.iov_len,
                  inode_->cache.data() + offset);
      touch(offset, part.iov_len);
      offset += part.iov_len;
    }
    return {};
  }

  Result<> fdatasync() override {
    const std::lock_guard lock(system_.mutex_);
    ++system_.syncs_;
    if (system_.syncs_to_fail_ > 0) {
      --system_.syncs_to_fail_;
      inode_->dirty.clear();  // marked clean, and not on disk
      return fail_errno(EIO, "fdatasync");
    }
    inode_->durable.resize(inode_->cache.size());
    for (const uint64_t sector : inode_->dirty) {
      copy_sector(*inode_, sector);
    }
    inode_->dirty.clear();
    return {};
  }

  Result<> fsync() override { return fdatasync(); }

  Result<> allocate(uint64_t size) override {
    const std::lock_guard lock(system_.mutex_);
    if (size <= inode_->cache.size()) return {};
    if (system_.reserved_bytes() + size - inode_->cache.size() > system_.capacity_) {
      return fail_errno(ENOSPC, "allocate");
    }
    inode_->cache.resize(size);
    return {};
  }

  Result<> truncate(uint64_t size) override {
    const std::lock_guard lock(system_.mutex_);
    inode_->cache.resize(size);
    return {};
  }

  Result<uint64_t> size() override {
    const std::lock_guard lock(system_.mutex_);
    return uint64_t{inode_->cache.size()};
  }

  static void copy_sector(LossyFileSystem::Inode& inode, uint64_t sector) {
    const uint64_t begin = sector * kSectorBytes;
    if (begin >= inode.cache.size()) return;
    const uint64_t end = std::min<uint64_t>(begin + kSectorBytes, inode.cache.size());
    if (inode.durable.size() < end) inode.durable.resize(end);
    std::copy(inode.cache.begin() + static_cast<std::ptrdiff_t>(begin),
              inode.cache.begin() + static_cast<std::ptrdiff_t>(end),
              inode.durable.begin() + static_cast<std::ptrdiff_t>(begin));
  }

 private:
  void touch(uint64_t offset, uint64_t size) {
    for (uint64_t s = offset / kSectorBytes; s <= (offset + size - 1) / kSectorBytes; ++s) {
      inode_->dirty.insert(s);
    }
  }

  LossyFileSystem& system_;
  std::shared_ptr<LossyFileSystem::Inode> inode_;
};

namespace {

class LossyLock : public FileLock {
 public:
  LossyLock(std::function<void()> release, std::shared_ptr<std::string> text)
      : release_(std::move(release)), text_(std::move(text)) {}
  ~LossyLock() override { release_(); }
  Result<> describe(std::string_view text) override {
    *text_ = text;
    return {};
  }

 private:
  std::function<void()> release_;
  std::shared_ptr<std::string> text_;
};

}  // namespace

LossyFileSystem::LossyFileSystem() = default;
LossyFileSystem::~LossyFileSystem() = default;

uint64_t LossyFileSystem::reserved_bytes() const {
  uint64_t sum = 0;
  for (const auto& [name, inode] : names_) {
    sum += inode->cache.size();
  }
  return sum;
}

Result<std::unique_ptr<File>> LossyFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (mode == OpenMode::kCreate) {
    if (found != names_.end()) return fail_errno(EEXIST, path);
    const auto inode = std::make_shared<Inode>();
    names_[path] = inode;
    return std::unique_ptr<File>(std::make_unique<LossyFile>(*this, inode));
  }
  if (found == names_.end()) return fail_errno(ENOENT, path);
  return std::unique_ptr<File>(std::make_unique<LossyFile>(*this, found->second));
}

Result<> LossyFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) return fail_errno(ENOENT, from);
  names_[to] = found->second;
  names_.erase(from);
  return {};
}

Result<> LossyFileSystem::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (names_.erase(path) == 0) return fail_errno(ENOENT, path);
  return {};
}

Result<> LossyFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto inside = [&](const auto& entry) { return directory_of(entry.first) == path; };
  std::erase_if(durable_names_, inside);
  for (const auto& entry : names_) {
    if (inside(entry)) durable_names_.insert(entry);
  }
  return {};
}

Result<> LossyFileSystem::make_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  directories_.insert(path);
  return {};
}

Result<std::vector<DirectoryEntry>> LossyFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, inode] : names_) {
    if (directory_of(name) != path) continue;
    entries.push_back(
        DirectoryEntry{.name = name.substr(path.size() + 1), .size = inode->cache.size()});
  }
  return entries;
}

Result<bool> LossyFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return names_.contains(path) || directories_.contains(path);
}

Result<std::unique_ptr<FileLock>> LossyFileSystem::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!locks_.insert(path).second) {
    return tl::unexpected<Error>(Error{ErrorKind::kLocked, EWOULDBLOCK, "pid 1"});
  }
  return std::unique_ptr<FileLock>(std::make_unique<LossyLock>(
      [this, path] {
        const std::lock_guard inner(mutex_);
        locks_.erase(path);
      },
      std::make_shared<std::string>()));
}

void LossyFileSystem::cut_power(const std::function<bool()>& keep) {
  const std::lock_guard lock(mutex_);
  names_ = durable_names_;
  for (auto& [name, inode] : names_) {
    // The size of a file is data too: reserved blocks were synced when the file was made.
    for (const uint64_t sector : inode->dirty) {
      if (keep != nullptr && keep()) LossyFile::copy_sector(*inode, sector);
    }
    inode->dirty.clear();
    inode->cache = inode->durable;
  }
}

void LossyFileSystem::fail_syncs(int count) {
  const std::lock_guard lock(mutex_);
  syncs_to_fail_ = count;
}

void LossyFileSystem::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

uint64_t LossyFileSystem::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

}  // namespace millrace::io
