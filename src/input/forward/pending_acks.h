// SPDX-License-Identifier: Apache-2.0
#pragma once

// PendingAcks: the messages of one connection that were handed over and not answered yet, in the
// order of their arrival. Their acks become due in that order, whatever order they are settled in.
// Messages without an ack are held too: a connection ends only when all its messages are settled.
// Owns little memory when empty. Belongs to one connection.
// Invariant: numbers are consecutive; the bytes of the acks lie in one buffer in the same order.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::input {

class PendingAcks {
 public:
  /// More than these are never held: reading pauses.
  static constexpr size_t kMessagesMax = 1024;
  static constexpr uint64_t kBytesMax = 64ULL << 20;

  /// The number that the next message gets.
  uint64_t next_number() const { return first_number_ + count(); }
  /// The ack of the next message is appended here, or nothing, before add().
  std::string& ack_buffer() { return acks_; }
  /// A message of `frame_bytes` that arrived at `arrived_ns`.
  void add(uint64_t frame_bytes, uint64_t arrived_ns);
  /// The message is stored. A number that is not held is ignored.
  void settle(uint64_t number);
  bool holds(uint64_t number) const;
  /// Forgets `number` and all later ones: the connection is about to end.
  void drop_from(uint64_t number);
  void drop_all() { drop_from(first_number_); }

  /// The settled messages at the front: their acks, and when each arrived.
  struct Due {
    std::string_view acks;
    size_t messages = 0;
  };
  Due due() const;
  uint64_t arrived_ns(size_t index) const { return items_[head_ + index].arrived_ns; }
  bool has_ack(size_t index) const { return items_[head_ + index].ack_bytes > 0; }
  /// Forgets what due() gave.
  void pop(const Due& due);

  bool empty() const { return count() == 0; }
  size_t count() const { return items_.size() - head_; }
  bool full() const { return count() >= kMessagesMax || frame_bytes_ >= kBytesMax; }

 private:
  struct Item {
    uint64_t arrived_ns;
    uint64_t frame_bytes;
    uint32_t ack_bytes;
    bool settled;
  };
  void tidy();

  std::vector<Item> items_;  // those before head_ are gone
  size_t head_ = 0;
  std::string acks_;  // those before ack_head_ are gone
  size_t ack_head_ = 0;
  size_t ack_end_ = 0;  // of the last message added
  uint64_t first_number_ = 1;
  uint64_t frame_bytes_ = 0;
};

}  // namespace millrace::input
