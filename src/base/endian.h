// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fixed-width integers to and from bytes, in either byte order, without alignment needs.
// The buffer's files are little-endian, MessagePack is big-endian. Any thread.

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace millrace {

static_assert(std::endian::native == std::endian::little, "only little-endian machines");

/// Reads sizeof(T) bytes at `bytes`, least significant first.
template <std::unsigned_integral T>
inline T load_le(const void* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// Writes sizeof(T) bytes at `bytes`, least significant first.
template <std::unsigned_integral T>
inline void store_le(void* bytes, T value) {
  std::memcpy(bytes, &value, sizeof value);
}

/// The same value with its bytes in reverse order.
template <std::unsigned_integral T>
inline T swap_bytes(T value) {
  if constexpr (sizeof(T) == 1) {
    return value;
  } else if constexpr (sizeof(T) == 2) {
    return __builtin_bswap16(value);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_bswap32(value);
  } else {
    return __builtin_bswap64(value);
  }
}

/// Reads sizeof(T) bytes at `bytes`, most significant first.
template <std::unsigned_integral T>
inline T load_be(const void* bytes) {
  return swap_bytes(load_le<T>(bytes));
}

/// Writes sizeof(T) bytes at `bytes`, most significant first.
template <std::unsigned_integral T>
inline void store_be(void* bytes, T value) {
  store_le<T>(bytes, swap_bytes(value));
}

}  // namespace millrace
