// SPDX-License-Identifier: Apache-2.0
#pragma once

// TailHasher: makes the MD5 tails of the chunks that the flush threads of an output read back. MD5
// is the largest part of what an event costs, and four at once cost little more than one (base/
// md5_lanes.h): so while many come a thread waits up to five milliseconds for others, and the last
// of them hashes for all. While few come, for requests take long or there is little to do, nobody
// waits: that would cost throughput, and the CPU has time.
// Invariant: a job is in jobs_ until one thread takes it; its owner leaves when it is done.
// Any thread; hashing is done outside the lock. It outlives its Members.

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/md5_lanes.h"

namespace millrace::flush {

class TailHasher {
 public:
  /// A thread that may come: one that is alone waits for nobody.
  class Member {
   public:
    explicit Member(TailHasher& hasher);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /// The MD5 of `bytes`.
    Md5Bytes md5(std::string_view bytes) { return hasher_.md5(bytes); }

   private:
    TailHasher& hasher_;
  };

 private:
  struct Job {
    std::string_view bytes;
    Md5Bytes digest{};
    bool taken = false;
    bool done = false;
    std::condition_variable wake;
  };

  Md5Bytes md5(std::string_view bytes);
  bool more_will_come();
  void hash_all(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;  // guards all below, and the jobs but for bytes and digest of a taken one
  std::vector<Job*> jobs_;
  size_t members_ = 0;
  std::array<std::chrono::steady_clock::time_point, 16> came_{};  // the last ones, in a ring
  size_t next_ = 0;                                               // place of the oldest of them
};

}  // namespace millrace::flush
