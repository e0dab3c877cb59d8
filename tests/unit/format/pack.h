// SPDX-License-Identifier: Apache-2.0
#pragma once

// MessagePack for tests: each function gives the bytes of one value, or of a container's head,
// which the caller joins with +. Forms are chosen by the caller where it matters (str8, uint16
// ...).

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::format::pack {

inline std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

inline std::string with_size(int lead, uint64_t size, int size_bytes) {
  return static_cast<char>(lead) + big_endian(size, size_bytes);
}

inline std::string nil() { return "\xc0"; }
inline std::string boolean(bool value) { return value ? "\xc3" : "\xc2"; }
inline std::string map(size_t pairs) { return with_size(0xdf, pairs, 4); }
inline std::string fixmap(size_t pairs) { return std::string(1, static_cast<char>(0x80 | pairs)); }
inline std::string array(size_t elements) { return with_size(0xdd, elements, 4); }
inline std::string fixarray(size_t elements) {
  return std::string(1, static_cast<char>(0x90 | elements));
}

inline std::string str8(std::string_view text) {
  return with_size(0xd9, text.size(), 1).append(text);
}
inline std::string str16(std::string_view text) {
  return with_size(0xda, text.size(), 2).append(text);
}
inline std::string str32(std::string_view text) {
  return with_size(0xdb, text.size(), 4).append(text);
}
/// The shortest form.
inline std::string str(std::string_view text) {
  if (text.size() < 32) {
    return std::string(1, static_cast<char>(0xa0 | text.size())).append(text);
  }
  if (text.size() < 256) return str8(text);
  return text.size() < 65536 ? str16(text) : str32(text);
}
inline std::string bin(std::string_view bytes) {
  return with_size(0xc6, bytes.size(), 4).append(bytes);
}

/// The shortest form.
inline std::string uint(uint64_t value) {
  if (value < 0x80) return std::string(1, static_cast<char>(value));
  if (value <= 0xff) return with_size(0xcc, value, 1);
  if (value <= 0xffff) return with_size(0xcd, value, 2);
  return value <= 0xffffffff ? with_size(0xce, value, 4) : with_size(0xcf, value, 8);
}
inline std::string int64(int64_t value) { return with_size(0xd3, static_cast<uint64_t>(value), 8); }
inline std::string float64(double value) {
  return with_size(0xcb, std::bit_cast<uint64_t>(value), 8);
}
inline std::string float32(float value) {
  return with_size(0xca, std::bit_cast<uint32_t>(value), 4);
}

/// ext8: any size below 256.
inline std::string ext(int type, std::string_view bytes) {
  return with_size(0xc7, bytes.size(), 1).append(1, static_cast<char>(type)).append(bytes);
}
/// fixext of 1, 2, 4, 8 or 16 bytes.
inline std::string fixext(int type, std::string_view bytes) {
  const int lead = 0xd4 + std::countr_zero(bytes.size());
  return std::string(1, static_cast<char>(lead)).append(1, static_cast<char>(type)).append(bytes);
}

}  // namespace millrace::format::pack
