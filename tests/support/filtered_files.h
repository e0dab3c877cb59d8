// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file system over another one that asks before every call that changes something: the test says
// whether the call passes or what it returns instead. Reads, lists and sizes always pass. A file
// that is "made" instead of being made reads as empty. It doesn't count calls or fail reads
// (io/faulty.h does). Any thread that instead() allows; the file system below must outlive it.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "io/io.h"

namespace millrace::testing {

enum class Change { kCreate, kOpenToWrite, kWrite, kSync, kResize, kName, kDirectories, kLock };

class FilteredFiles : public io::FileSystem {
 public:
  explicit FilteredFiles(io::FileSystem& files) : files_(files) {}

  /// What the caller gets instead of `change`, which is then not made; nothing: it is made.
  virtual std::optional<Result<>> instead(Change change) = 0;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    if (mode != io::OpenMode::kRead) {
      const auto answer =
          instead(mode == io::OpenMode::kCreate ? Change::kCreate : Change::kOpenToWrite);
      if (answer && !*answer) return tl::unexpected(answer->error());
      if (answer) return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, nullptr));
    }
    auto file = files_.open(path, mode);
    if (!file) return file;
    return std::unique_ptr<io::File>(std::make_unique<OpenFile>(*this, std::move(*file)));
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    return ask(Change::kName, [&] { return files_.rename(from, to); });
  }
  Result<> unlink(const std::string& path) override {
    return ask(Change::kName, [&] { return files_.unlink(path); });
  }
  Result<> sync_directory(const std::string& path) override {
    return ask(Change::kSync, [&] { return files_.sync_directory(path); });
  }
  Result<> make_directories(const std::string& path) override {
    return ask(Change::kDirectories, [&] { return files_.make_directories(path); });
  }
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override {
    return files_.list(path);
  }
  Result<bool> exists(const std::string& path) override { return files_.exists(path); }
  Result<uint64_t> free_bytes(const std::string& path) override { return files_.free_bytes(path); }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override {
    const auto answer = instead(Change::kLock);
    CHECK(!answer || !*answer);  // no lock can be pretended
    if (answer) return tl::unexpected(answer->error());
    return files_.lock(path);
  }

 private:
  class OpenFile : public io::File {
   public:
    OpenFile(FilteredFiles& files, std::unique_ptr<io::File> file)
        : files_(files), file_(std::move(file)) {}

    Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
      return file_ == nullptr ? Result<size_t>(size_t{0}) : file_->pread(out, size, offset);
    }
    Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
      return files_.ask(Change::kWrite, [&] { return file_->pwritev(parts, offset); });
    }
    Result<> fdatasync() override {
      return files_.ask(Change::kSync, [&] { return file_->fdatasync(); });
    }
    Result<> fsync() override {
      return files_.ask(Change::kSync, [&] { return file_->fsync(); });
    }
    Result<> allocate(uint64_t size) override {
      return files_.ask(Change::kResize, [&] { return file_->allocate(size); });
    }
    Result<> truncate(uint64_t size) override {
      return files_.ask(Change::kResize, [&] { return file_->truncate(size); });
    }
    Result<uint64_t> size() override { return file_ == nullptr ? uint64_t{0} : file_->size(); }

   private:
    FilteredFiles& files_;
    const std::unique_ptr<io::File> file_;  // null: only pretended
  };

  template <class Make>
  Result<> ask(Change change, const Make& make) {
    auto answer = instead(change);
    return answer ? std::move(*answer) : make();
  }

  io::FileSystem& files_;
};

}  // namespace millrace::testing
