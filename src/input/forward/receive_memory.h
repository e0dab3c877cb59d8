// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReceiveMemory: receive_memory_limit over the connections of one listener. While the connections
// hold more than that, one with an unfinished frame reads on (the favoured one) and the others wait
// in the order in which they asked. Small frames are never stopped. From half of the limit on, who
// would have to wait for a full log when its frame is whole is not to ask, so that a log whose
// output is away cannot take the memory from the others: its frames hold half, and what was being
// read. Loop thread.
// Invariant: someone waits only while the limit is exceeded, and then someone is favoured.

#include <cstddef>
#include <cstdint>
#include <deque>

namespace millrace::input {

class ReceiveMemory {
 public:
  /// A connection that holds no more than this may always read on.
  static constexpr size_t kSmallBytes = 4096;

  explicit ReceiveMemory(uint64_t limit) : limit_(limit) {}

  /// A connection held `before` bytes and now holds `after`.
  void changed(size_t before, size_t after) { held_ += after - before; }
  uint64_t held_bytes() const { return held_; }
  bool exceeded() const { return held_ > limit_; }
  /// Memory is short: it goes to those whose log has room.
  bool crowded() const { return held_ > limit_ / 2; }
  size_t waiting() const { return waiting_.size(); }

  /// May `connection`, in the midst of a frame, read on? If not it waits until next() names it.
  bool admit(uint64_t connection, uint64_t now_ms);
  /// The frame that `connection` was favoured for is done with, or waits for its log; or the
  /// connection has gone.
  void finished(uint64_t connection);
  /// True if the others have waited for `connection` to finish its frame since `since_ms` or
  /// longer.
  bool awaits(uint64_t connection, uint64_t since_ms) const {
    return favoured_ == connection && !waiting_.empty() && awaited_since_ms_ <= since_ms;
  }
  /// One that may read on again, 0: none. To be asked at the end of each turn.
  uint64_t next(uint64_t now_ms);

 private:
  uint64_t limit_;
  uint64_t held_ = 0;
  uint64_t favoured_ = 0;
  uint64_t awaited_since_ms_ = 0;  // when the first began to wait for the favoured one
  std::deque<uint64_t> waiting_;   // may name connections that have gone
};

}  // namespace millrace::input
