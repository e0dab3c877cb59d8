// SPDX-License-Identifier: Apache-2.0
#include "io/real.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/random_bytes.h"
#include "base/unique_fd.h"
#include "io/real_file.h"

namespace millrace::io {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0750;

class RealFileLock : public FileLock {
 public:
  explicit RealFileLock(UniqueFd fd) : fd_(std::move(fd)) {}

  Result<> describe(std::string_view text) override {
    // In this order, so that a full disk needs no block for it.
    const ssize_t written = ::pwrite(fd_.get(), text.data(), text.size(), 0);
    if (written >= 0 && static_cast<size_t>(written) < text.size()) errno = ENOSPC;
    if (written != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(fd_.get(), static_cast<off_t>(text.size())) != 0) {
      return fail_errno(errno, "cannot write the lock file");
    }
    return {};
  }

 private:
  UniqueFd fd_;
};

std::string parent_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<File>> RealFileSystem::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;  // a pipe is not waited for
  flags |= mode == OpenMode::kRead ? O_RDONLY : O_RDWR;
  if (mode == OpenMode::kCreate) flags |= O_CREAT | O_EXCL;
  int opened = -1;
  do {  // a network's file system may be interrupted
    opened = ::open(path.c_str(), flags, kFileMode);
  } while (opened < 0 && errno == EINTR);
  UniqueFd fd(opened);
  if (!fd.valid()) return fail_errno(errno, path);
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, path);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::kIo, path + ": not a regular file");
  return make_real_file(std::move(fd), path, mode == OpenMode::kCreate);
}

Result<> RealFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail_errno(errno, from + " -> " + to);
  return {};
}

Result<> RealFileSystem::unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return fail_errno(errno, path);
  return {};
}

Result<> RealFileSystem::sync_directory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return fail_errno(errno, path);
  return {};
}

Result<> RealFileSystem::make_directories(const std::string& path) {
  if (path.empty() || ::mkdir(path.c_str(), kDirectoryMode) == 0) {
    return path.empty() ? Result<>() : sync_directory(parent_of(path));
  }
  if (errno == EEXIST) {
    struct stat status {};
    const bool there = ::stat(path.c_str(), &status) == 0;
    if (!there || !S_ISDIR(status.st_mode)) {
      return fail_errno(ENOTDIR, there ? path : path + ": a link that leads nowhere");
    }
    // Who made it may have failed, or been killed, before this; or had rights that we have not.
    auto synced = sync_directory(parent_of(path));
    return !synced && synced.error().kind == ErrorKind::kPermission ? Result<>() : synced;
  }
  if (errno != ENOENT) return fail_errno(errno, path);
  if (auto made = make_directories(parent_of(path)); !made) return made;
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) return fail_errno(errno, path);
  return sync_directory(parent_of(path));
}

Result<std::vector<DirectoryEntry>> RealFileSystem::list(const std::string& path) {
  auto entries = list_real_directory(path);
  const bool none = !entries && entries.error().kind == ErrorKind::kNotFound;
  // It may be on a disk that is not mounted yet.
  if (none && exists(path).value_or(false)) {
    return fail(ErrorKind::kIo, path + ": a link that leads nowhere");
  }
  return entries;
}

Result<bool> RealFileSystem::exists(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail_errno(errno, path);
}

Result<uint64_t> RealFileSystem::free_bytes(const std::string& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) return fail_errno(errno, path);
  return uint64_t{status.f_bavail} * status.f_frsize;
}

Result<std::unique_ptr<FileLock>> RealFileSystem::lock(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!fd.valid()) return fail_errno(errno, path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, path);
    char text[256];
    const ssize_t got = ::pread(fd.get(), text, sizeof text, 0);
    std::string holder(text, got > 0 ? static_cast<size_t>(got) : 0);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    return tl::unexpected<Error>(Error{ErrorKind::kLocked, EWOULDBLOCK, holder});
  }
  return std::unique_ptr<FileLock>(std::make_unique<RealFileLock>(std::move(fd)));
}

uint64_t RealClock::running_ms() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

uint64_t RealClock::wall_us() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_REALTIME, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

uint64_t RealRandom::next() {
  uint64_t value = 0;
  random_bytes(&value, sizeof value);
  return value;
}

}  // namespace millrace::io
