// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seam under the buffer: every file call, clock and random number of buffer/, flush/ and
// ingest/ goes through these interfaces, so that tests can put a disk with a power switch, a
// failing disk or a virtual clock under the same code. Short transfers and EINTR are handled below
// the seam; callers see whole transfers or an Error. Doubles: real (real.h), lossy (lossy.h). An Io
// and what it hands out may be used from any thread; one File by several threads at once.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::io {

/// An open file; closed by its destructor. Offsets and sizes in bytes.
class File {
 public:
  virtual ~File() = default;

  /// Reads until `size` bytes or the end of the file; the number of bytes read.
  virtual Result<size_t> pread(char* out, size_t size, uint64_t offset) = 0;
  /// Says that these bytes will be read soon, so that a disk has several requests at once. Waits
  /// for nothing; may do nothing.
  virtual void will_need(uint64_t /*offset*/, uint64_t /*bytes*/) {}
  /// Writes all of `parts` at `offset`. kNoSpace: only of a new file that was not allocated.
  virtual Result<> pwritev(std::span<const iovec> parts, uint64_t offset) = 0;
  virtual Result<> fdatasync() = 0;
  virtual Result<> fsync() = 0;
  /// Reserves real blocks for [0, size) and makes the file at least so large.
  /// kNoSpace, or errno_value EOPNOTSUPP where the file system can't.
  virtual Result<> allocate(uint64_t size) = 0;
  virtual Result<> truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() = 0;

  Result<> pwrite(std::string_view bytes, uint64_t offset) {
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return pwritev(std::span(&part, 1), offset);
  }
};

/// A held advisory lock; released by its destructor.
class FileLock {
 public:
  virtual ~FileLock() = default;
  /// Replaces the text of the lock file, for people and for the refusal of the next instance.
  virtual Result<> describe(std::string_view text) = 0;
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // must not exist; read and write, mode 0600
};

struct DirectoryEntry {
  std::string name;
  uint64_t size = 0;
  bool directory = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// O_CLOEXEC | O_NOFOLLOW always.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<> unlink(const std::string& path) = 0;
  virtual Result<> sync_directory(const std::string& path) = 0;
  /// Makes `path` and its parents (0750). Each new one, and `path` if it was there, is synced into
  /// its parent.
  virtual Result<> make_directories(const std::string& path) = 0;
  /// Files and directories; a link to a directory is one, other links are left out.
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  /// Bytes that this process may still take on the disk of `path`, which must exist.
  virtual Result<uint64_t> free_bytes(const std::string& path) = 0;
  /// Takes an exclusive lock on `path`, which is made if it is missing.
  /// kLocked when another holds it; the message then carries the text in the file.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;
  /// Running time, also while the machine sleeps (CLOCK_BOOTTIME). For order, age and time-outs.
  virtual uint64_t running_ms() = 0;
  /// Microseconds since 1970; only as data.
  virtual uint64_t wall_us() = 0;
};

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;
};

/// The three together. References must outlive everything that is given an Io.
struct Io {
  FileSystem& files;
  Clock& clock;
  Random& random;
};

/// Reads a whole small file, at most `size_max` bytes (kInvalid beyond).
Result<std::string> read_whole(FileSystem& files, const std::string& path, uint64_t size_max);

/// Makes `path` a file with exactly these bytes: `.<name>.tmp` beside it, fdatasync, rename. Whole
/// or not there, and what could not be written is not left behind; durable after sync_directory().
Result<> write_whole(FileSystem& files, const std::string& path, std::string_view bytes);

}  // namespace millrace::io
