// SPDX-License-Identifier: Apache-2.0
#include "format/json_number.h"

#include <cmath>
#include <cstring>

namespace millrace::format {
namespace {

char* put_text(char* out, const char* text, size_t bytes) {
  std::memcpy(out, text, bytes);
  return out + bytes;
}

// The shortest digits of a value, and where the decimal point belongs: 0.DIGITS * 10^point.
struct Digits {
  char text[20];
  int count;
  int point;
};

Digits shortest_digits(double value) {
  char scientific[32];
  const char* const end = std::to_chars(scientific, scientific + sizeof scientific, value,
                                        std::chars_format::scientific)
                              .ptr;
  Digits digits;
  const char* p = scientific;
  digits.count = 0;
  for (; *p != 'e'; ++p) {
    if (*p != '.') digits.text[digits.count++] = *p;
  }
  ++p;
  const bool negative = *p == '-';
  ++p;  // to_chars always writes the exponent's sign
  int exponent = 0;
  std::from_chars(p, end, exponent);
  digits.point = (negative ? -exponent : exponent) + 1;
  return digits;
}

// Ruby, flo_to_s (numeric.c): plain digits while -4 < point <= 16.
char* put_digits(char* out, const Digits& digits) {
  const int count = digits.count;
  const int point = digits.point;
  if (point > 0 && point <= 16) {
    const int whole = count < point ? count : point;
    out = put_text(out, digits.text, static_cast<size_t>(whole));
    for (int i = count; i < point; ++i) *out++ = '0';
    *out++ = '.';
    if (count <= point) return put_text(out, "0", 1);
    return put_text(out, digits.text + point, static_cast<size_t>(count - point));
  }
  if (point > -4 && point <= 0) {
    out = put_text(out, "0.", 2);
    for (int i = point; i < 0; ++i) *out++ = '0';
    return put_text(out, digits.text, static_cast<size_t>(count));
  }
  *out++ = digits.text[0];
  *out++ = '.';
  if (count == 1) *out++ = '0';
  out = put_text(out, digits.text + 1, static_cast<size_t>(count - 1));
  *out++ = 'e';
  const int exponent = point - 1;
  *out++ = exponent < 0 ? '-' : '+';
  const int size = exponent < 0 ? -exponent : exponent;
  if (size < 10) *out++ = '0';
  return std::to_chars(out, out + 3, size).ptr;
}

// A value with few decimals, as most measurements have, needs no search for its shortest digits:
// if value * 10^6 rounds to a whole number below 10^15 that divides back to the same value, its
// digits are the only ones of at most 15 places that mean this value. Null if it is not such one.
char* put_few_decimals(char* out, double value) {
  constexpr double kScale = 1e6;
  if (!(value >= 1e-3 && value < 1e9)) return nullptr;
  // Rounded a little wrong it would only fail the test below.
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): lround is a call
  const auto scaled = static_cast<uint64_t>(value * kScale + 0.5);
  if (static_cast<double>(scaled) / kScale != value) return nullptr;
  out = put_unsigned(out, scaled / 1'000'000);
  *out++ = '.';
  const auto fraction = static_cast<uint32_t>(scaled % 1'000'000);
  put_two_digits(out, fraction / 10'000);
  put_two_digits(out + 2, fraction / 100 % 100);
  put_two_digits(out + 4, fraction % 100);
  size_t digits = 6;
  while (digits > 1 && out[digits - 1] == '0') --digits;
  return out + digits;
}

char* put_fraction(char* out, double value) {
  if (value < 0) {
    *out++ = '-';
    value = -value;
  }
  char* const end = put_few_decimals(out, value);
  return end != nullptr ? end : put_digits(out, shortest_digits(value));
}

}  // namespace

char* put_double(char* out, double value) {
  if (value == 0) return put_text(out, "0.0", 3);
  if (value >= -0x1p63 && value < 0x1p63) {
    const auto whole = static_cast<int64_t>(value);
    if (static_cast<double>(whole) == value) return put_text(put_signed(out, whole), ".0", 2);
  }
  return put_fraction(out, value);
}

char* put_ruby_float(char* out, double value) {
  if (std::isnan(value)) return put_text(out, "NaN", 3);
  if (std::isinf(value)) {
    return value < 0 ? put_text(out, "-Infinity", 9) : put_text(out, "Infinity", 8);
  }
  if (value == 0) return std::signbit(value) ? put_text(out, "-0.0", 4) : put_text(out, "0.0", 3);
  return put_fraction(out, value);
}

}  // namespace millrace::format
