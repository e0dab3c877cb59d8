// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers as JSON text, with the digits that Fluentd's JSON writer (Oj in compat mode) prints:
// integers exactly; floats shortest and round-trip in Ruby's form (Float#to_s), but whole values in
// the range of int64 with all their digits: 1e15 is 1000000000000000.0. Knows no locale, never
// allocates. Any thread.

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace::format {

/// Room that every function here may use; the longest text is 26 bytes.
inline constexpr size_t kNumberRoomBytes = 32;

/// The two digits of each number below 100.
inline constexpr std::array<char, 200> kTwoDigits = [] {
  std::array<char, 200> digits{};
  for (size_t i = 0; i < 100; ++i) {
    digits[2 * i] = static_cast<char>('0' + i / 10);
    digits[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return digits;
}();

/// Writes the two digits of a value below 100.
inline char* put_two_digits(char* out, uint32_t value) {
  std::memcpy(out, &kTwoDigits[size_t{2} * value], 2);
  return out + 2;
}

inline char* put_unsigned(char* out, uint64_t value) {
  if (value >= 10'000) return std::to_chars(out, out + 20, value).ptr;
  const auto small = static_cast<uint32_t>(value);
  const uint32_t hundreds = small / 100;
  if (hundreds >= 10) {
    out = put_two_digits(out, hundreds);
  } else if (hundreds > 0) {
    *out++ = static_cast<char>('0' + hundreds);
  } else if (small < 10) {
    *out = static_cast<char>('0' + small);
    return out + 1;
  }
  return put_two_digits(out, small - hundreds * 100);
}

inline char* put_signed(char* out, int64_t value) {
  return std::to_chars(out, out + 20, value).ptr;
}

/// A finite `value` as a JSON number, as Oj prints it; -0.0 is 0.0.
char* put_double(char* out, double value);

/// Any `value` as Ruby's Float#to_s prints it: 1.0e+20, -0.0, NaN, Infinity.
char* put_ruby_float(char* out, double value);

}  // namespace millrace::format
