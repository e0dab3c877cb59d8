// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of a file in memory: pages of 4 KiB, shared between copies until one of them writes,
// and none for a page that was reserved and not written. So a copy of a disk costs little, and a
// file of 64 MiB that holds 4 KiB costs 4 KiB. Invariant: what lies behind size() reads as zeros
// once the file grows again. Copies may be used from several threads, one object by one thread at a
// time.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::io {

class PagedBytes {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  uint64_t size() const { return size_; }
  /// Where the last page ends that was written.
  uint64_t written_end() const;
  /// Fewer than `size` bytes at the end.
  size_t read(char* out, size_t size, uint64_t offset) const;
  /// Grows as needed.
  void write(std::string_view bytes, uint64_t offset);
  /// Cuts, or grows by zeros.
  void resize(uint64_t size);
  /// Equal for equal size and bytes.
  uint64_t hash() const;

 private:
  struct Page {
    std::array<char, kPageBytes> bytes{};
    mutable uint64_t hash = 0;  // 0: not known
  };

  Page& page_for_write(uint64_t index);

  std::vector<std::shared_ptr<Page>> pages_;  // null, or behind the end: zeros
  uint64_t size_ = 0;
};

/// Mixes `value` into a running hash.
inline uint64_t mix_hash(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 32);
}
uint64_t mix_hash(uint64_t hash, std::string_view bytes);

}  // namespace millrace::io
