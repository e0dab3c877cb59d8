// SPDX-License-Identifier: Apache-2.0
#include "input/forward/receive_buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace millrace::input {
namespace {

// A rest up to this size moves out of a block that could hold far more.
constexpr size_t kSmallBytes = size_t{8} << 10;
constexpr size_t kLeastBytes = 256;
// Reads of less than this are only worth their system call if they end the frame.
constexpr size_t kReadBytesMin = size_t{64} << 10;
// A PackedForward frame says how long its payload is, but not the option behind that.
constexpr size_t kOptionBytes = size_t{4} << 10;

Memory allocate(size_t size) {
  auto* memory = static_cast<char*>(std::malloc(size));
  if (memory == nullptr) throw std::bad_alloc();
  return Memory(memory);
}

}  // namespace

void MemoryFree::operator()(char* memory) const noexcept { std::free(memory); }

Block BufferPool::take(size_t capacity) {
  if (capacity >= kKeptBytesMin) {
    for (Block& kept : blocks_) {
      if (kept.capacity < capacity) continue;
      std::swap(kept, blocks_.back());
      Block block = std::move(blocks_.back());
      blocks_.pop_back();
      return block;
    }
  }
  return {allocate(capacity), capacity};
}

void BufferPool::give(Block block) {
  if (block.capacity < kKeptBytesMin || block.capacity > kKeptBytesMax) return;
  if (blocks_.size() < kKeptBlocksMax) {
    blocks_.push_back(std::move(block));
    return;
  }
  const auto smaller = [](const Block& a, const Block& b) { return a.capacity < b.capacity; };
  Block& smallest = *std::min_element(blocks_.begin(), blocks_.end(), smaller);
  if (smaller(smallest, block)) std::swap(smallest, block);
}

void ReceiveBuffer::make_room(uint64_t needed) {
  const uint64_t arrived = size();
  const uint64_t missing = needed > arrived ? needed - arrived : 0;
  if (tail_size() >= kReadBytesMin || (tail_size() > 0 && tail_size() >= missing)) return;
  const uint64_t least = arrived + std::max<uint64_t>(kReadBytesMin, arrived / 2);
  const uint64_t most = std::max(least, 2 * arrived);
  grow(static_cast<size_t>(std::clamp(needed + kOptionBytes, least, most)));
}

void ReceiveBuffer::grow(size_t capacity) {
  if (begin_ > 0 || block_.capacity <= BufferPool::kKeptBytesMax) {
    return move_to(pool_.take(capacity));
  }
  // realloc moves large blocks by remapping them, without a copy.
  auto* memory = static_cast<char*>(std::realloc(block_.memory.release(), capacity));
  if (memory == nullptr) throw std::bad_alloc();
  block_ = {Memory(memory), capacity};
}

void ReceiveBuffer::move_to(Block block) {
  const size_t rest = size();
  if (rest > 0) std::memcpy(block.memory.get(), view().data(), rest);
  pool_.give(std::exchange(block_, std::move(block)));
  begin_ = 0;
  end_ = rest;
}

void ReceiveBuffer::consume(size_t size) {
  begin_ += size;
  if (empty()) {
    clear();
  } else if (this->size() <= kSmallBytes && block_.capacity > 4 * kSmallBytes) {
    move_to(pool_.take(this->size()));
  }
}

void ReceiveBuffer::assign(std::string_view bytes) {
  clear();
  if (bytes.empty()) return;
  block_ = pool_.take(std::max(bytes.size(), kLeastBytes));
  std::memcpy(block_.memory.get(), bytes.data(), bytes.size());
  end_ = bytes.size();
}

void ReceiveBuffer::clear() {
  if (block_.memory != nullptr) pool_.give(std::exchange(block_, Block{}));
  begin_ = 0;
  end_ = 0;
}

}  // namespace millrace::input
