// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReceiveBuffer: the bytes of a connection that could not be dealt with yet: the begin of a frame,
// or messages that wait for room. Empty it owns no memory, so that a quiet connection costs
// nothing. It grows with bytes that have arrived, never on a declared length alone. BufferPool
// keeps a few blocks that were given back, so that frames which come in two pieces do not fault
// fresh pages in each time. Both belong to one loop thread; the pool outlives its buffers.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::input {

struct MemoryFree {
  void operator()(char* memory) const noexcept;
};
using Memory = std::unique_ptr<char, MemoryFree>;

struct Block {
  Memory memory;
  size_t capacity = 0;
};

class BufferPool {
 public:
  static constexpr size_t kKeptBytesMin = size_t{16} << 10;
  static constexpr size_t kKeptBytesMax = size_t{256} << 10;
  static constexpr size_t kKeptBlocksMax = 8;

  /// A block of `capacity` bytes at least, a kept one if it fits.
  Block take(size_t capacity);
  /// Keeps the block if its size is usual and there is room, or frees it.
  void give(Block block);

 private:
  std::vector<Block> blocks_;
};

class ReceiveBuffer {
 public:
  explicit ReceiveBuffer(BufferPool& pool) : pool_(pool) {}
  ~ReceiveBuffer() { clear(); }
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

  std::string_view view() const { return {block_.memory.get() + begin_, end_ - begin_}; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return block_.capacity; }

  /// Makes room to read behind view(), where at least `needed` bytes in all are expected: free
  /// space grows with what has arrived, by half to twice of it.
  void make_room(uint64_t needed);
  char* tail() { return block_.memory.get() + end_; }
  size_t tail_size() const { return block_.capacity - end_; }
  /// The first `size` bytes of tail() are filled.
  void commit(size_t size) { end_ += size; }

  /// Takes the first `size` bytes away; gives memory back that is far too large for the rest.
  void consume(size_t size);
  /// Copies `bytes`, which must not lie in this buffer.
  void assign(std::string_view bytes);
  void clear();

 private:
  void move_to(Block block);
  void grow(size_t capacity);

  BufferPool& pool_;
  Block block_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace millrace::input
