// SPDX-License-Identifier: Apache-2.0
#pragma once

// LocalStream: the one writer of a local stream, shared by all senders of an output. append()
// returns when the line is durable; appends that wait at the same time share one fdatasync.
// Files are begun anew at rotate_size and never removed: that is their reader's to do.
// Invariant: sequence numbers rise with the position in the stream, over restarts too. A line that
// append() failed for has been cut off again; if even that fails, it may stand at a file's end.
// Any thread; neither copied nor moved.

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "output/local/stream_files.h"

namespace millrace::output {

class LocalStream {
 public:
  /// Opens or begins the stream in `directory`. A file is followed by a new one before it would
  /// exceed `rotate_size` bytes; a single longer line gets a file of its own.
  static Result<std::unique_ptr<LocalStream>> open(const std::string& directory,
                                                   uint64_t rotate_size);

  LocalStream(const LocalStream&) = delete;
  LocalStream& operator=(const LocalStream&) = delete;

  /// Stores `line`, which starts with kLineStart and room for the digits and ends with \n, and puts
  /// its number in. The number, or why it is not stored (kNoSpace, kIo), naming the path.
  Result<uint64_t> append(std::string& line);

  const std::string& directory() const { return path_; }

 private:
  // One append that waits for its line to be durable; on the stack of its caller.
  struct Waiting {
    bool done = false;
    int error = 0;  // errno of the fdatasync
  };

  LocalStream(UniqueFd directory, std::string path, uint64_t rotate_size, StreamEnd end);

  Result<> make_room(std::unique_lock<std::mutex>& lock, uint64_t bytes);
  Result<> write_line(const std::string& line);
  void sync_waiting(std::unique_lock<std::mutex>& lock);
  void cut_back(uint64_t bytes);

  const UniqueFd directory_;
  const std::string path_;
  const uint64_t rotate_size_;
  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  StreamFile file_;
  uint64_t synced_bytes_ = 0;  // of file_, known to be durable
  uint64_t last_sequence_ = 0;
  bool file_spoilt_ = false;       // its end could not be cut off: go on in the next file
  bool syncing_ = false;           // some thread is in fdatasync, without the mutex
  std::vector<Waiting*> waiting_;  // lines written after that fdatasync began
};

}  // namespace millrace::output
