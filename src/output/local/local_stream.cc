// SPDX-License-Identifier: Apache-2.0
#include "output/local/local_stream.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace millrace::output {

Result<std::unique_ptr<LocalStream>> LocalStream::open(const std::string& directory,
                                                       uint64_t rotate_size) {
  auto opened = open_stream_directory(directory);
  if (!opened) return tl::unexpected<Error>(opened.error());
  auto end = find_stream_end(opened->get(), directory);
  if (!end) return tl::unexpected<Error>(end.error());
  return std::unique_ptr<LocalStream>(
      new LocalStream(std::move(*opened), directory, rotate_size, std::move(*end)));
}

LocalStream::LocalStream(UniqueFd directory, std::string path, uint64_t rotate_size, StreamEnd end)
    : directory_(std::move(directory)),
      path_(std::move(path)),
      rotate_size_(rotate_size),
      file_(std::move(end.file)),
      synced_bytes_(file_.bytes),
      last_sequence_(std::max(end.last_sequence, kFirstSequence)) {}

Result<uint64_t> LocalStream::append(std::string& line) {
  CHECK(line.size() > kLineStart.size() + kSequenceDigits && line.back() == '\n');
  std::unique_lock lock(mutex_);
  if (auto room = make_room(lock, line.size()); !room) {
    return tl::unexpected<Error>(room.error());
  }
  const uint64_t sequence = last_sequence_ + 1;
  char* digits = line.data() + kLineStart.size();
  const auto [end, error] = std::to_chars(digits, digits + kSequenceDigits, sequence);
  CHECK(error == std::errc() && end == digits + kSequenceDigits);
  if (auto written = write_line(line); !written) {
    return tl::unexpected<Error>(written.error());
  }
  last_sequence_ = sequence;
  const std::string path = file_.path;  // another thread may rotate while this one waits
  Waiting own;
  waiting_.push_back(&own);
  while (!own.done) {
    if (syncing_) {
      changed_.wait(lock);
    } else {
      sync_waiting(lock);
    }
  }
  if (own.error != 0) return fail_errno(own.error, path);
  return sequence;
}

// A file that takes `bytes` more. Before a new one is begun, every line of the old one is durable.
Result<> LocalStream::make_room(std::unique_lock<std::mutex>& lock, uint64_t bytes) {
  for (;;) {
    const bool full = file_.bytes > 0 && file_.bytes + bytes > rotate_size_;
    if (file_.fd.valid() && !full && !file_spoilt_) return {};
    if (syncing_) {
      changed_.wait(lock);
    } else if (!waiting_.empty()) {
      sync_waiting(lock);
    } else {
      auto next = make_stream_file(directory_.get(), path_, file_.number);
      if (!next) return tl::unexpected<Error>(next.error());
      file_ = std::move(*next);
      synced_bytes_ = 0;
      file_spoilt_ = false;
    }
  }
}

Result<> LocalStream::write_line(const std::string& line) {
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t count = ::pwrite(file_.fd.get(), line.data() + done, line.size() - done,
                                   static_cast<off_t>(file_.bytes + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = count == 0 ? ENOSPC : errno;
      cut_back(file_.bytes);
      return fail_errno(error, file_.path);
    }
    done += static_cast<size_t>(count);
  }
  file_.bytes += line.size();
  return {};
}

// Makes what has been written durable and tells everyone who waits for it.
void LocalStream::sync_waiting(std::unique_lock<std::mutex>& lock) {
  std::vector<Waiting*> batch;
  batch.swap(waiting_);
  const uint64_t bytes = file_.bytes;
  const int fd = file_.fd.get();  // stays open: make_room waits for syncing_
  syncing_ = true;
  lock.unlock();
  const int error = ::fdatasync(fd) == 0 ? 0 : errno;
  lock.lock();
  syncing_ = false;
  if (error == 0) {
    synced_bytes_ = bytes;
  } else {
    // Nothing after the last good sync can be relied on, what others wrote meanwhile included: the
    // kernel reports a failed write-back once and then calls the pages clean.
    batch.insert(batch.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
    cut_back(synced_bytes_);
  }
  for (Waiting* waiting : batch) {
    waiting->error = error;
    waiting->done = true;
  }
  changed_.notify_all();
}

// Takes the end after `bytes` out of the file again.
void LocalStream::cut_back(uint64_t bytes) {
  if (::ftruncate(file_.fd.get(), static_cast<off_t>(bytes)) != 0) {
    file_spoilt_ = true;
    log::error("output", "cannot cut an unfinished line off a local stream; a new file follows",
               {{"path", file_.path}});
  }
  file_.bytes = bytes;
}

}  // namespace millrace::output
