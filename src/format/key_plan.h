// SPDX-License-Identifier: Apache-2.0
#pragma once

// The keys that a map had last time, each with its JSON ready: the records of one source mostly
// have the same keys in the same order, so that a key costs one comparison and one copy, and is
// known to be unlike those before it. A plan only saves time: what a record becomes never depends
// on it. Holds keys of at most 31 bytes that need no escape. One set per formatter; owned by one
// thread. Invariant: the keys of a plan differ from each other and from the injected ones; the slot
// behind the last one matches nothing.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::format {

/// One key.
struct KeySlot {
  static constexpr size_t kWireBytes = 32;
  static constexpr uint64_t kNever = uint64_t{1} << kWireBytes;  // a byte that is not compared

  std::array<char, kWireBytes> wire{};  // as MessagePack, zeros behind it
  std::array<char, 48> json{};          // "key": with anything behind it
  uint64_t wire_mask = kNever;          // a bit for each byte of wire that counts
  uint32_t wire_bytes = 0;
  uint32_t json_bytes = 0;
  uint32_t hash = 0;

  /// Whether the bytes at `in`, of which 32 must be readable, begin with this key.
  bool matches(const char* in) const {
#if defined(__SSE2__)
    const auto equal_at = [&](size_t at) {
      return static_cast<uint32_t>(_mm_movemask_epi8(
          _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + at)),
                         _mm_loadu_si128(reinterpret_cast<const __m128i*>(wire.data() + at)))));
    };
    const uint64_t equal = equal_at(0) | equal_at(16) << 16;
    return (~equal & wire_mask) == 0;
#else
    return wire_mask != kNever && std::memcmp(in, wire.data(), wire_bytes) == 0;
#endif
  }

  /// Copies the key's JSON to `out`, where there must be room for 48 bytes.
  char* put(char* out) const {
    std::memcpy(out, json.data(), sizeof json);
    return out + json_bytes;
  }
};

/// The keys of one map.
class KeyPlan {
 public:
  static constexpr size_t kKeysMax = 32;

  KeyPlan() { cut(slots_.data()); }
  KeyPlan(const KeyPlan&) = delete;  // next points into slots_
  KeyPlan& operator=(const KeyPlan&) = delete;

  const KeySlot* begin() const { return slots_.data(); }

  /// Ends the plan before `slot`.
  void cut(const KeySlot* slot) {
    next_ = slots_.data() + (slot - slots_.data());
    *next_ = KeySlot();
  }

  /// Adds the key of `size` bytes at `key`, a fixstr that needs no escape. False if the plan is
  /// full.
  bool add(const char* key, size_t size, uint32_t hash) {
    if (next_ == &slots_.back()) return false;
    *next_ = KeySlot();
    next_->wire[0] = static_cast<char>(0xa0 | size);
    std::memcpy(next_->wire.data() + 1, key, size);
    next_->wire_bytes = static_cast<uint32_t>(size + 1);
    next_->wire_mask = (uint64_t{1} << (size + 1)) - 1;
    next_->json[0] = '"';
    std::memcpy(next_->json.data() + 1, key, size);
    std::memcpy(next_->json.data() + 1 + size, "\":", 2);
    next_->json_bytes = static_cast<uint32_t>(size + 3);
    next_->hash = hash;
    *++next_ = KeySlot();
    return true;
  }

 private:
  KeySlot* next_;
  std::array<KeySlot, kKeysMax + 1> slots_;
};

/// The plans of a record's maps, by the order in which the maps begin.
inline constexpr size_t kKeyPlansMax = 8;

}  // namespace millrace::format
