// SPDX-License-Identifier: Apache-2.0
#include "io/simulated.h"

#include <algorithm>
#include <cerrno>

namespace millrace::io {

class SimulatedFile : public File {
 public:
  SimulatedFile(SimulatedFileSystem& system, InodeId inode, std::string path)
      : system_(system), inode_(inode), path_(std::move(path)) {}

  Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
    const std::lock_guard lock(system_.mutex_);
    return system_.disk_.cache(inode_).read(out, size, offset);
  }

  Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
    std::string bytes;
    for (const iovec& part : parts) {
      bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
    }
    if (!system_.has_room(inode_, offset + bytes.size())) return fail_errno(EIO, "write");
    system_.about_to("write", path_, offset, bytes.size());
    const std::lock_guard lock(system_.mutex_);
    system_.disk_.write(inode_, bytes, offset);
    return {};
  }

  Result<> fdatasync() override { return sync("fdatasync"); }
  Result<> fsync() override { return sync("fsync"); }

  Result<> allocate(uint64_t size) override {
    {
      const std::lock_guard lock(system_.mutex_);
      const uint64_t now = system_.disk_.cache(inode_).size();
      const std::string name = path_.substr(path_.find_last_of('/') + 1);
      const bool small = size > system_.small_bytes_ && name.starts_with(system_.small_prefix_);
      if (size <= now) return {};
      if (small || system_.bytes_of_files() + size - now > system_.capacity_) {
        return fail_errno(ENOSPC, "allocate");
      }
    }
    return resize("allocate", size);
  }

  Result<> truncate(uint64_t size) override { return resize("truncate", size); }

  Result<uint64_t> size() override {
    const std::lock_guard lock(system_.mutex_);
    return system_.disk_.cache(inode_).size();
  }

 private:
  Result<> resize(const char* name, uint64_t size) {
    system_.about_to(name, path_, 0, size);
    const std::lock_guard lock(system_.mutex_);
    system_.disk_.resize(inode_, size);
    return {};
  }

  Result<> sync(const char* name) {
    system_.about_to(name, path_);
    const std::lock_guard lock(system_.mutex_);
    ++system_.syncs_;
    if (system_.syncs_to_fail_ > 0) {
      --system_.syncs_to_fail_;
      system_.disk_.forget(inode_);
      return fail_errno(EIO, name);
    }
    system_.disk_.sync(inode_);
    return {};
  }

  SimulatedFileSystem& system_;
  const InodeId inode_;
  const std::string path_;  // when it was opened; for people
};

namespace {

class SimulatedLock : public FileLock {
 public:
  explicit SimulatedLock(std::function<void()> release) : release_(std::move(release)) {}
  ~SimulatedLock() override { release_(); }
  Result<> describe(std::string_view) override { return {}; }

 private:
  std::function<void()> release_;
};

}  // namespace

std::string DiskOperation::text() const {
  std::string text = std::string(name) + " " + path;
  if (bytes > 0) text += " [" + std::to_string(offset) + ", +" + std::to_string(bytes) + ")";
  return text;
}

void SimulatedFileSystem::about_to(const char* name, const std::string& path, uint64_t offset,
                                   uint64_t bytes) {
  if (watcher_) watcher_(DiskOperation{name, path, offset, bytes});
}

uint64_t SimulatedFileSystem::bytes_of_files() const {
  uint64_t sum = 0;
  for (const auto& [name, inode] : disk_.names()) {
    sum += disk_.cache(inode).size();
  }
  return sum;
}

Result<std::unique_ptr<File>> SimulatedFileSystem::open(const std::string& path, OpenMode mode) {
  const bool creates = mode == OpenMode::kCreate;
  {
    const std::lock_guard lock(mutex_);
    const InodeId* found = disk_.find(path);
    if (creates && found != nullptr) return fail_errno(EEXIST, path);
    if (!creates && found == nullptr) return fail_errno(ENOENT, path);
    if (!creates) {
      return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, *found, path));
    }
  }
  about_to("create", path);
  const std::lock_guard lock(mutex_);
  return std::unique_ptr<File>(std::make_unique<SimulatedFile>(*this, disk_.create(path), path));
}

Result<> SimulatedFileSystem::rename(const std::string& from, const std::string& to) {
  about_to("rename", from + " -> " + to);
  const std::lock_guard lock(mutex_);
  if (disk_.find(from) == nullptr) return fail_errno(ENOENT, from);
  disk_.rename(from, to);
  return {};
}

Result<> SimulatedFileSystem::unlink(const std::string& path) {
  about_to("unlink", path);
  const std::lock_guard lock(mutex_);
  if (disk_.find(path) == nullptr) return fail_errno(ENOENT, path);
  disk_.unlink(path);
  return {};
}

Result<> SimulatedFileSystem::sync_directory(const std::string& path) {
  about_to("fsync", path);
  const std::lock_guard lock(mutex_);
  disk_.sync_directory(path);
  return {};
}

Result<> SimulatedFileSystem::make_directories(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    if (disk_.directories().contains(path)) return {};
  }
  about_to("mkdir", path);
  const std::lock_guard lock(mutex_);
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    disk_.make_directory(path.substr(0, at));
  }
  disk_.make_directory(path);
  return {};
}

Result<std::vector<DirectoryEntry>> SimulatedFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, inode] : disk_.names()) {
    if (directory_of(name) != path) continue;
    entries.push_back(
        DirectoryEntry{.name = name.substr(path.size() + 1), .size = disk_.cache(inode).size()});
  }
  for (const std::string& directory : disk_.directories()) {
    if (directory_of(directory) != path) continue;
    entries.push_back(DirectoryEntry{.name = directory.substr(path.size() + 1), .directory = true});
  }
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return entries;
}

Result<bool> SimulatedFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return disk_.find(path) != nullptr || disk_.directories().contains(path);
}

Result<uint64_t> SimulatedFileSystem::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  return capacity_ - std::min(capacity_, bytes_of_files());
}

bool SimulatedFileSystem::has_room(InodeId inode, uint64_t size) const {
  const std::lock_guard lock(mutex_);
  if (capacity_ == UINT64_MAX || reservations_only_) return true;
  const uint64_t now = disk_.cache(inode).size();
  return size <= now || bytes_of_files() + size - now <= capacity_;
}

Result<std::unique_ptr<FileLock>> SimulatedFileSystem::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!locks_.insert(path).second) {
    return tl::unexpected<Error>(Error{ErrorKind::kLocked, EWOULDBLOCK, "pid 1"});
  }
  return std::unique_ptr<FileLock>(std::make_unique<SimulatedLock>([this, path] {
    const std::lock_guard inner(mutex_);
    locks_.erase(path);
  }));
}

DiskState SimulatedFileSystem::state() const {
  const std::lock_guard lock(mutex_);
  return disk_;
}

void SimulatedFileSystem::set(DiskState disk) {
  const std::lock_guard lock(mutex_);
  disk_ = std::move(disk);
}

// Each sector is decided on its own: a bit of the seed that `keep` fills.
void SimulatedFileSystem::cut_power(const std::function<bool()>& keep) {
  const std::lock_guard lock(mutex_);
  std::vector<Survival> survives(disk_.change_count());
  if (keep != nullptr) {
    const auto changes = disk_.changes();
    for (size_t i = 0; i < survives.size(); ++i) {
      using How = Survival::How;
      if (changes[i].of_name) continue;
      if (changes[i].sectors < 2) {
        survives[i].how = keep() ? How::kWhole : How::kLost;
        continue;
      }
      uint64_t seed = 1;
      for (int bit = 0; bit < 16; ++bit) {
        seed = seed << 1 | (keep() ? 1 : 0);
      }
      survives[i] = Survival{.how = How::kScattered, .seed = seed};
    }
  }
  disk_ = disk_.after_power_cut(survives);
}

void SimulatedFileSystem::fail_syncs(int count) {
  const std::lock_guard lock(mutex_);
  syncs_to_fail_ = count;
}

void SimulatedFileSystem::set_capacity(uint64_t bytes, bool reservations_only) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
  reservations_only_ = reservations_only;
}

void SimulatedFileSystem::set_reservation_max(std::string prefix, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  small_prefix_ = std::move(prefix);
  small_bytes_ = bytes;
}

uint64_t SimulatedFileSystem::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

void SimulatedFileSystem::put(const std::string& path, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (disk_.find(path) != nullptr) disk_.unlink(path);
  const InodeId inode = disk_.create(path);
  disk_.write(inode, bytes, 0);
  disk_.sync(inode);
  disk_.sync_directory(directory_of(path));
}

void SimulatedFileSystem::forget_reserved() {
  const std::lock_guard lock(mutex_);
  const auto names = disk_.names();
  for (const auto& [name, inode] : names) {
    disk_.resize(inode, disk_.cache(inode).written_end());
    disk_.sync(inode);
  }
}

uint64_t SimulatedRandom::next() {
  state_ += 0x9e3779b97f4a7c15U;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

}  // namespace millrace::io
