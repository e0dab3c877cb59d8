// SPDX-License-Identifier: Apache-2.0
#include "output/local/stream_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "base/log.h"

namespace millrace::output {
namespace {

constexpr std::string_view kNameStart = "local.";
constexpr std::string_view kNameEnd = ".jsonl";
constexpr size_t kNumberDigits = 8;
constexpr uint32_t kNumberMax = 99'999'999;
constexpr uint64_t kBlockBytes = 64 << 10;

struct DirectoryDeleter {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

std::string file_name(uint32_t number) {
  char digits[kNumberDigits + 1];
  std::snprintf(digits, sizeof digits, "%08u", number);
  return std::string(kNameStart) + digits + std::string(kNameEnd);
}

// The number in the name of a stream's file; 0 for any other name.
uint32_t number_of(std::string_view name) {
  if (name.size() != kNameStart.size() + kNumberDigits + kNameEnd.size()) return 0;
  if (name.substr(0, kNameStart.size()) != kNameStart) return 0;
  if (name.substr(name.size() - kNameEnd.size()) != kNameEnd) return 0;
  const char* first = name.data() + kNameStart.size();
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(first, first + kNumberDigits, number);
  return error == std::errc() && end == first + kNumberDigits ? number : 0;
}

// Newest first.
Result<std::vector<uint32_t>> file_numbers(int directory, const std::string& path) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return fail_errno(errno, path);
  const std::unique_ptr<DIR, DirectoryDeleter> listing(::fdopendir(copy));
  if (!listing) {
    ::close(copy);
    return fail_errno(errno, path);
  }
  std::vector<uint32_t> numbers;
  errno = 0;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (const uint32_t number = number_of(entry->d_name); number > 0) numbers.push_back(number);
    errno = 0;
  }
  if (errno != 0) return fail_errno(errno, path);
  std::sort(numbers.begin(), numbers.end(), std::greater<>());
  return numbers;
}

// The bytes [from, from + size) of a file; fewer only at its end.
Result<std::string> read_at(const StreamFile& file, uint64_t from, uint64_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::pread(file.fd.get(), bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(from + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno(errno, file.path);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

// Where the text after the last line end before `end` begins; 0 if there is no line end.
Result<uint64_t> line_start_before(const StreamFile& file, uint64_t end) {
  while (end > 0) {
    const uint64_t from = end > kBlockBytes ? end - kBlockBytes : 0;
    auto block = read_at(file, from, end - from);
    if (!block) return tl::unexpected<Error>(block.error());
    const size_t at = block->rfind('\n');
    if (at != std::string::npos) return from + at + 1;
    end = from;
  }
  return 0;
}

// Opens a file, cuts its torn end off and finds the sequence number of its last line (0: no line).
Result<StreamEnd> examine(int directory, const std::string& path, uint32_t number) {
  StreamEnd found;
  StreamFile& file = found.file;
  file.number = number;
  file.path = path + "/" + file_name(number);
  file.fd.reset(::openat(directory, file_name(number).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file.fd.valid()) return fail_errno(errno, file.path);
  struct stat status = {};
  if (::fstat(file.fd.get(), &status) != 0) return fail_errno(errno, file.path);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::kInvalid, file.path + " is no plain file");
  const auto size = static_cast<uint64_t>(status.st_size);
  const auto whole = line_start_before(file, size);
  if (!whole) return tl::unexpected<Error>(whole.error());
  file.bytes = *whole;
  if (file.bytes > 0) {
    const auto start = line_start_before(file, file.bytes - 1);
    if (!start) return tl::unexpected<Error>(start.error());
    const auto line = read_at(file, *start, kLineStart.size() + kSequenceDigits + 1);
    if (!line) return tl::unexpected<Error>(line.error());
    found.last_sequence = sequence_of(*line);
    if (found.last_sequence == 0) {
      return fail(ErrorKind::kCorrupt, file.path + ": the last line is no record of a local " +
                                           "stream; move the file away to begin a new one");
    }
  }
  if (size > file.bytes) {
    log::warn("output", "cut a torn line off a local stream; its chunk will be sent again",
              {{"path", file.path}, {"bytes", size - file.bytes}});
    if (::ftruncate(file.fd.get(), static_cast<off_t>(file.bytes)) != 0 ||
        ::fdatasync(file.fd.get()) != 0) {
      return fail_errno(errno, file.path);
    }
  }
  return found;
}

Result<> sync_directory(const std::string& path) {
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() || ::fsync(directory.get()) != 0) return fail_errno(errno, path);
  return {};
}

// mkdir -p, each new entry durable in its parent.
Result<> make_directories(const std::string& path) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0750) == 0) {
      const size_t slash = part.rfind('/');
      const std::string parent =
          slash == std::string::npos ? "." : part.substr(0, std::max<size_t>(slash, 1));
      if (auto synced = sync_directory(parent); !synced) return synced;
    } else if (errno != EEXIST) {
      return fail_errno(errno, part);
    }
    if (at == std::string::npos) return {};
  }
}

}  // namespace

Result<UniqueFd> open_stream_directory(const std::string& path) {
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid() && errno == ENOENT) {
    if (auto made = make_directories(path); !made) return tl::unexpected<Error>(made.error());
    directory.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  if (!directory.valid()) return fail_errno(errno, path);
  if (::faccessat(directory.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return fail_errno(errno, path);
  }
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, path);
    return fail(ErrorKind::kLocked, path + ": another output or process writes there");
  }
  return directory;
}

Result<StreamEnd> find_stream_end(int directory, const std::string& path) {
  const auto numbers = file_numbers(directory, path);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  StreamEnd end;
  for (const uint32_t number : *numbers) {
    auto found = examine(directory, path, number);
    if (!found) return found;
    if (end.file.number == 0) end.file = std::move(found->file);
    end.last_sequence = found->last_sequence;
    if (end.last_sequence > 0) break;  // else a file without a line: look into the one before
  }
  return end;
}

Result<StreamFile> make_stream_file(int directory, const std::string& path, uint32_t number) {
  if (number >= kNumberMax) {
    return fail(ErrorKind::kInvalid, path + ": no number is left for a new file");
  }
  StreamFile file;
  file.number = number + 1;
  const std::string name = file_name(file.number);
  file.path = path + "/" + name;
  file.fd.reset(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!file.fd.valid()) return fail_errno(errno, file.path);
  if (::fsync(directory) != 0) {
    const int error = errno;
    ::unlinkat(directory, name.c_str(), 0);  // so that the next try finds the name free
    return fail_errno(error, path);
  }
  return file;
}

uint64_t sequence_of(std::string_view line) {
  if (line.size() <= kLineStart.size() + kSequenceDigits) return 0;
  if (line.substr(0, kLineStart.size()) != kLineStart) return 0;
  const char* first = line.data() + kLineStart.size();
  uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(first, first + kSequenceDigits, sequence);
  const bool whole = error == std::errc() && end == first + kSequenceDigits && *end == '"';
  return whole && sequence > kFirstSequence ? sequence : 0;
}

}  // namespace millrace::output
