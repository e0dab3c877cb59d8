// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReceiveMemory: receive_memory_limit over the connections of one listener. While the connections
// hold more than that, one with an unfinished frame reads on (the favoured one) and the others wait
// in the order in which they asked. Beside that each has a share, a quarter of the limit by the
// number of connections: within it nobody is stopped, so that small frames need not wait for large
// ones that stopped growing. (Who came when there were fewer may have taken more: when that
// overruns the limit by far the share is the least.) From half of the limit on, who would have to
// wait for a full log when its frame is whole is not to ask, so that a log whose output is away
// cannot take the memory from the others: its frames hold half, their shares, and what was being
// read. Loop thread. Invariant: someone waits only while the limit is exceeded, and then someone is
// favoured.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/check.h"

namespace millrace::input {

class ReceiveMemory {
 public:
  /// The least share.
  static constexpr uint64_t kSmallBytes = 4096;

  explicit ReceiveMemory(uint64_t limit) : limit_(limit) {}

  void add_connection() { ++connections_; }
  void remove_connection(uint64_t connection);
  /// A connection that holds less than this may always read on. There is one at least.
  uint64_t share() const {
    CHECK(connections_ > 0);
    return overrun() ? kSmallBytes : std::max(kSmallBytes, limit_ / 4 / connections_);
  }

  /// A connection held `before` bytes and now holds `after`.
  void changed(size_t before, size_t after) { held_ += after - before; }
  uint64_t held_bytes() const { return held_; }
  bool exceeded() const { return held_ > limit_; }
  /// By so much that nobody else is favoured before a frame that is whole is stored: who read on
  /// within the limit may have doubled what it held, and half of the limit more is for shares.
  bool overrun() const { return held_ > 2 * limit_ + limit_ / 2; }
  /// Memory is short: it goes to those whose log has room.
  bool crowded() const { return held_ > limit_ / 2; }
  size_t waiting() const { return waiting_.size(); }

  /// May `connection`, in the midst of a frame, read on? If not it waits until next() names it.
  bool admit(uint64_t connection, uint64_t now_ms);
  /// So much `connection`, which holds `held`, may read before it asks again.
  uint64_t free_for(uint64_t connection, uint64_t held) const {
    if (!exceeded() || favoured_ == connection) return UINT64_MAX;
    return std::max(kSmallBytes, share() - std::min(share(), held));
  }
  /// The frame that `connection` was favoured for is done with, or waits for its log.
  void finished(uint64_t connection);
  /// It neither has nor wants a turn any more.
  void reads_no_more(uint64_t connection);
  /// True if somebody has waited since `since_ms` or longer.
  bool awaited_since(uint64_t since_ms) const {
    return !waiting_.empty() && waiting_.front().since_ms <= since_ms;
  }
  /// One that may read on again, 0: none. To be asked at the end of each turn.
  uint64_t next();

 private:
  struct Waiter {
    uint64_t connection;
    uint64_t since_ms;
  };

  uint64_t limit_;
  uint64_t held_ = 0;
  uint64_t connections_ = 0;
  uint64_t favoured_ = 0;
  std::deque<Waiter> waiting_;
};

}  // namespace millrace::input
