// SPDX-License-Identifier: Apache-2.0
#pragma once

// The real side of the seam: Linux system calls. Errors: EDQUOT counts as ENOSPC, EROFS as EIO, and
// ENOSPC from a write as EIO, since writes go into blocks that were reserved before.

#include "io/io.h"

namespace millrace::io {

class RealFileSystem : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> unlink(const std::string& path) override;
  Result<> sync_directory(const std::string& path) override;
  Result<> make_directories(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
};

class RealClock : public Clock {
 public:
  uint64_t running_ms() override;
  uint64_t wall_us() override;
};

/// The kernel's random numbers (getrandom).
class RealRandom : public Random {
 public:
  uint64_t next() override;
};

}  // namespace millrace::io
