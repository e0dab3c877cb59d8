// SPDX-License-Identifier: Apache-2.0
#pragma once

// A file system in memory for fuzzers: whole files by path, nothing fails, a reserved block costs
// nothing until it is written. Any thread; one mutex. Must outlive its open files.

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/io.h"

namespace millrace::testing {

class MemoryFileSystem : public io::FileSystem {
 public:
  struct Content {
    std::string bytes;  // what was written; zeros follow up to `size`
    uint64_t size = 0;
  };

  void put(const std::string& path, std::string bytes) {
    const std::lock_guard lock(mutex_);
    const uint64_t size = bytes.size();
    files_[path] = std::make_shared<Content>(Content{std::move(bytes), size});
  }

  /// As if housekeeping had cut every file to what was written.
  void forget_reserved() {
    const std::lock_guard lock(mutex_);
    for (auto& [name, content] : files_) {
      content->size = content->bytes.size();
    }
  }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    const std::lock_guard lock(mutex_);
    auto& content = files_[path];
    if ((content != nullptr) == (mode == io::OpenMode::kCreate)) {
      const bool there = content != nullptr;
      if (!there) files_.erase(path);
      return fail_errno(there ? EEXIST : ENOENT, path);
    }
    if (content == nullptr) content = std::make_shared<Content>();
    return std::unique_ptr<io::File>(std::make_unique<OpenFile>(mutex_, content));
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(from);
    if (found == files_.end()) return fail_errno(ENOENT, from);
    auto content = std::move(found->second);
    files_.erase(found);
    files_[to] = std::move(content);
    return {};
  }
  Result<> unlink(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (files_.erase(path) == 0) return fail_errno(ENOENT, path);
    return {};
  }
  Result<> sync_directory(const std::string&) override { return {}; }
  Result<> make_directories(const std::string&) override { return {}; }
  Result<std::vector<io::DirectoryEntry>> list(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    std::vector<io::DirectoryEntry> entries;
    for (const auto& [name, content] : files_) {
      if (name.substr(0, name.find_last_of('/')) != path) continue;
      entries.push_back(
          io::DirectoryEntry{.name = name.substr(path.size() + 1), .size = content->size});
    }
    return entries;
  }
  Result<bool> exists(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return files_.contains(path);
  }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string&) override {
    return std::unique_ptr<io::FileLock>(std::make_unique<HeldLock>());
  }

 private:
  class OpenFile : public io::File {
   public:
    OpenFile(std::mutex& mutex, std::shared_ptr<Content> content)
        : mutex_(mutex), content_(std::move(content)) {}

    Result<size_t> pread(char* out, size_t size, uint64_t offset) override {
      const std::lock_guard lock(mutex_);
      if (offset >= content_->size) return size_t{0};
      size = std::min<uint64_t>(size, content_->size - offset);
      const std::string& bytes = content_->bytes;
      const size_t there =
          offset < bytes.size() ? std::min<uint64_t>(size, bytes.size() - offset) : 0;
      std::copy_n(bytes.data() + std::min<uint64_t>(offset, bytes.size()), there, out);
      std::fill(out + there, out + size, '\0');
      return size;
    }
    Result<> pwritev(std::span<const iovec> parts, uint64_t offset) override {
      const std::lock_guard lock(mutex_);
      for (const iovec& part : parts) {
        std::string& bytes = content_->bytes;
        if (bytes.size() < offset + part.iov_len) bytes.resize(offset + part.iov_len);
        std::copy_n(static_cast<const char*>(part.iov_base), part.iov_len, bytes.data() + offset);
        offset += part.iov_len;
        content_->size = std::max<uint64_t>(content_->size, bytes.size());
      }
      return {};
    }
    Result<> fdatasync() override { return {}; }
    Result<> fsync() override { return {}; }
    Result<> allocate(uint64_t size) override {
      const std::lock_guard lock(mutex_);
      content_->size = std::max(content_->size, size);
      return {};
    }
    Result<> truncate(uint64_t size) override {
      const std::lock_guard lock(mutex_);
      content_->size = size;
      if (content_->bytes.size() > size) content_->bytes.resize(size);
      return {};
    }
    Result<uint64_t> size() override {
      const std::lock_guard lock(mutex_);
      return content_->size;
    }

   private:
    std::mutex& mutex_;  // of the file system
    std::shared_ptr<Content> content_;
  };
  class HeldLock : public io::FileLock {
   public:
    Result<> describe(std::string_view) override { return {}; }
  };

  std::mutex mutex_;  // guards all below, and the contents
  std::map<std::string, std::shared_ptr<Content>> files_;
};

}  // namespace millrace::testing
