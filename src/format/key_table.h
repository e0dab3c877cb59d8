// SPDX-License-Identifier: Apache-2.0
#pragma once

// The distinct keys of one map in the order of their first pair, each with the value of its last
// pair: what a Ruby hash holds after reading the same bytes. Strings and bins are equal by their
// bytes, numbers by type class and value, everything else by its MessagePack bytes; a string never
// equals a number. Tables of nested maps lie on each other like frames. Memory follows the distinct
// keys, which the caller bounds; work is charged to a budget. Hashes have a seed of their own, so
// that nobody can send keys that collide. Owned by one thread; the entries point into the input.
// Invariant: pairs_[range.first .. range.last) are the keys of one open map.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::format {

class KeyTable {
 public:
  struct Pair {
    const char* key;    // first byte of the key's MessagePack
    const char* value;  // first byte of the last value's MessagePack
    uint32_t hash;
  };
  struct Range {
    size_t first = 0;
    size_t last = 0;
  };
  enum class Status : uint8_t { kOk, kTooMuch, kTooMany };

  KeyTable();

  /// Begins a record: no pair is held; reading may cost `work` units (bytes and comparisons).
  void clear(uint64_t work);

  /// Reads the `count` pairs at `in`, which are known to be well formed, and sets `in` behind them.
  /// kTooMany: more than `pairs_max` are held together with those of the maps around.
  Status collect(const char*& in, const char* end, uint32_t count, size_t pairs_max, Range& range);

  const Pair& pair(size_t index) const { return pairs_[index]; }
  /// Ends a map: its pairs and all after them are forgotten.
  void cut(const Range& range) { pairs_.resize(range.first); }

 private:
  Pair* find_or_add(const char* key, const char* end, const Range& range);
  void grow_slots(const Range& range);

  std::vector<Pair> pairs_;
  std::vector<uint32_t> slots_;  // open addressing over the map being read: index in pairs_ + 1
  uint64_t work_left_ = 0;
  const uint64_t seed_;
};

}  // namespace millrace::format
