// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds out whether a map may hold a key twice, at the price of a few instructions a key: a 512-bit
// Bloom filter per open map, and behind it the 32-bit hashes of its keys. A hit means "look
// closely", never more. One per formatter; owned by one thread.
// Invariant: hashes_[open map's first .. count_) are the keys read so far of the innermost map; the
// maps around it lie below.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace::format {

/// 32 bits that depend on every byte of the key. `end` is how far bytes may be read.
inline uint32_t hash_key(const char* key, size_t size, const char* end) {
  constexpr uint64_t kFirst = 0x9e3779b97f4a7c15;
  constexpr uint64_t kSecond = 0xc2b2ae3d27d4eb4f;
  uint64_t word = 0;
  if (size <= 8) {
    if (end - key >= 8) [[likely]] {
      std::memcpy(&word, key, 8);
      // Drops the bytes behind the key; in two steps, as a shift by 64 has no meaning.
      if (size < 8) word &= (uint64_t{1} << (8 * size)) - 1;
    } else {
      std::memcpy(&word, key, size);
    }
    const uint64_t hash = (word ^ (size * kSecond)) * kFirst;
    return static_cast<uint32_t>(hash >> 32) ^ static_cast<uint32_t>(hash);
  }
  uint64_t hash = size * kSecond;
  for (size_t at = 0; at < size - 8; at += 8) {
    std::memcpy(&word, key + at, 8);
    hash = (hash ^ word) * kFirst;
    hash ^= hash >> 32;
  }
  std::memcpy(&word, key + size - 8, 8);
  hash = (hash ^ word) * kSecond;
  return static_cast<uint32_t>(hash >> 32) ^ static_cast<uint32_t>(hash);
}

class KeyFilter {
 public:
  /// Keys of all open maps together; a map that does not fit has to be looked at closely.
  static constexpr size_t kKeysMax = 1024;
  using Bloom = std::array<uint64_t, 8>;

  void clear() { count_ = 0; }
  bool fits(uint64_t keys) const { return keys <= kKeysMax - count_; }
  size_t count() const { return count_; }
  /// Forgets the keys of a closed map, which began at `count`.
  void cut(size_t count) { count_ = count; }

  /// Adds a key; true if the filter had one like it already.
  bool add(Bloom& bloom, uint32_t hash) {
    uint64_t& word = bloom[hash >> 6 & 7];
    const uint64_t bit = uint64_t{1} << (hash & 63);
    const bool seen = (word & bit) != 0;
    word |= bit;
    hashes_[count_++] = hash;
    return seen;
  }

  /// After add() said true: whether a key since `first`, the newest left aside, has its hash.
  bool repeated(size_t first) const {
    const uint32_t newest = hashes_[count_ - 1];
    for (size_t i = first; i + 1 < count_; ++i) {
      if (hashes_[i] == newest) return true;
    }
    return false;
  }

 private:
  size_t count_ = 0;
  std::array<uint32_t, kKeysMax> hashes_;
};

}  // namespace millrace::format
