// SPDX-License-Identifier: Apache-2.0
#include "io/real_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace millrace::io {
namespace {

bool interrupted(int value) { return value == EINTR || value == EAGAIN; }

class RealFile : public File {
 public:
  RealFile(UniqueFd fd, std::string path, bool created)
      : fd_(std::move(fd)), path_(std::move(path)), reserved_(!created) {}

  Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(fd_.get(), out + done, size - done, static_cast<off_t>(offset + done));
      if (got == 0) break;
      if (got < 0) {
        if (interrupted(errno)) continue;
        return fail_errno(errno, "read " + path_);
      }
      done += static_cast<size_t>(got);
    }
    return done;
  }

  void will_need(uint64_t offset, uint64_t bytes) override {
    static_cast<void>(::posix_fadvise(fd_.get(), static_cast<off_t>(offset),
                                      static_cast<off_t>(bytes), POSIX_FADV_WILLNEED));
  }

  Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
    std::vector<iovec> rest;  // behind a write that ended within a part
    while (!parts.empty()) {
      const int count = static_cast<int>(std::min<size_t>(parts.size(), IOV_MAX));
      const ssize_t written = ::pwritev(fd_.get(), parts.data(), count, static_cast<off_t>(offset));
      if (written < 0) {
        if (interrupted(errno)) continue;
        return fail_errno(write_errno(errno), "write " + path_);
      }
      offset += static_cast<uint64_t>(written);
      parts = behind(parts, static_cast<size_t>(written), rest);
    }
    return {};
  }

  Result<> fdatasync() override {
    if (::fdatasync(fd_.get()) != 0) return fail_errno(write_errno(errno), "fdatasync " + path_);
    return {};
  }

  Result<> fsync() override {
    if (::fsync(fd_.get()) != 0) return fail_errno(write_errno(errno), "fsync " + path_);
    return {};
  }

  Result<> allocate(uint64_t size) override {
    reserved_ = true;
    while (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) != 0) {
      if (interrupted(errno)) continue;
      return fail_errno(errno, "allocate " + path_);
    }
    return {};
  }

  Result<> truncate(uint64_t size) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
      return fail_errno(errno, "truncate " + path_);
    }
    return {};
  }

  Result<uint64_t> size() override {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) return fail_errno(errno, "stat " + path_);
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  // Where blocks were reserved before, no space for a write means that the disk lied (buffer
  // format 3).
  int write_errno(int value) const {
    const bool no_space = value == ENOSPC || value == EDQUOT;
    return value == EROFS || (no_space && reserved_) ? EIO : value;
  }
  // Drops what was written from the front of the list; the index of the first part left.
  static std::span<const iovec> behind(std::span<const iovec> parts, size_t written,
                                       std::vector<iovec>& rest) {
    while (!parts.empty() && written >= parts[0].iov_len) {
      written -= parts[0].iov_len;
      parts = parts.subspan(1);
    }
    if (written == 0) return parts;
    rest = std::vector<iovec>(parts.begin(), parts.end());
    rest[0].iov_base = static_cast<char*>(rest[0].iov_base) + written;
    rest[0].iov_len -= written;
    return rest;
  }

  UniqueFd fd_;
  std::string path_;
  bool reserved_;  // or somebody may have, before this process
};

struct DirectoryCloser {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

}  // namespace

std::unique_ptr<File> make_real_file(UniqueFd fd, const std::string& path, bool created) {
  return std::make_unique<RealFile>(std::move(fd), path, created);
}

namespace {

// A link to a directory is that directory, for people put logs on other disks so; one to a file, or
// to where we may not go, is none of our files. False with errno.
bool look(int directory, const char* name, struct stat& out) {
  if (::fstatat(directory, name, &out, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (!S_ISLNK(out.st_mode)) return true;
  const struct stat link = out;
  const bool followed = ::fstatat(directory, name, &out, 0) == 0;
  if (!followed && errno != EACCES) return false;
  if (!followed || !S_ISDIR(out.st_mode)) out = link;
  return true;
}

}  // namespace

Result<std::vector<DirectoryEntry>> list_real_directory(const std::string& path) {
  const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
  if (directory == nullptr) return fail_errno(errno, path);
  std::vector<DirectoryEntry> entries;
  while (true) {
    errno = 0;
    const dirent* found = ::readdir(directory.get());
    if (found == nullptr) break;
    const std::string name = found->d_name;
    if (name == "." || name == "..") continue;
    struct stat status {};
    if (!look(::dirfd(directory.get()), found->d_name, status)) {
      if (errno == ENOENT || errno == ELOOP) continue;  // it has gone meanwhile, or leads nowhere
      return fail_errno(errno, "stat " + path + "/" + name);
    }
    if (!(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) continue;
    entries.push_back(DirectoryEntry{.name = name,
                                     .size = static_cast<uint64_t>(status.st_size),
                                     .directory = S_ISDIR(status.st_mode)});
  }
  if (errno != 0) return fail_errno(errno, path);
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace millrace::io
