// SPDX-License-Identifier: Apache-2.0
#include "base/encoding.h"

#include <array>
#include <cstdint>

#include "base/base64_blocks.h"

namespace millrace {
namespace {

constexpr char kHex[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two characters for every 12 bits: one look-up for a byte and a half.
struct PairTable {
  std::array<std::array<char, 2>, 4096> pairs{};
  constexpr PairTable() {
    for (size_t i = 0; i < pairs.size(); ++i) {
      pairs[i] = {kBase64[i >> 6], kBase64[i & 63]};
    }
  }
};
constexpr PairTable kPairs;

constexpr std::array<int8_t, 256> make_reverse() {
  std::array<int8_t, 256> table{};
  for (auto& value : table) {
    value = -1;
  }
  for (int8_t i = 0; i < 64; ++i) {
    table[static_cast<unsigned char>(kBase64[i])] = i;
  }
  return table;
}
constexpr std::array<int8_t, 256> kReverse = make_reverse();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The last group of a strict text: "xx==" or "xxx=", unused bits zero.
bool decode_tail(std::string_view group, std::string& out) {
  const int a = kReverse[static_cast<unsigned char>(group[0])];
  const int b = kReverse[static_cast<unsigned char>(group[1])];
  if (a < 0 || b < 0 || group[3] != '=') return false;
  out.push_back(static_cast<char>(a << 2 | b >> 4));
  if (group[2] == '=') return (b & 15) == 0;
  const int c = kReverse[static_cast<unsigned char>(group[2])];
  if (c < 0 || (c & 3) != 0) return false;
  out.push_back(static_cast<char>((b & 15) << 4 | c >> 2));
  return true;
}

}  // namespace

std::string hex_encode(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kHex[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

void base64_append(std::string& out, std::string_view bytes) {
  const size_t start = out.size();
  out.resize(start + base64_encoded_size(bytes.size()));
  const size_t taken = base64_blocks(out.data() + start, bytes.data(), bytes.size());
  char* to = out.data() + start + base64_encoded_size(taken);
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data()) + taken;
  size_t left = bytes.size() - taken;
  for (; left >= 3; left -= 3, from += 3, to += 4) {
    const uint32_t group = static_cast<uint32_t>(from[0]) << 16 |
                           static_cast<uint32_t>(from[1]) << 8 | static_cast<uint32_t>(from[2]);
    const auto& high = kPairs.pairs[group >> 12];
    const auto& low = kPairs.pairs[group & 4095];
    to[0] = high[0];
    to[1] = high[1];
    to[2] = low[0];
    to[3] = low[1];
  }
  if (left > 0) {
    const uint32_t group = static_cast<uint32_t>(from[0]) << 16 |
                           (left == 2 ? static_cast<uint32_t>(from[1]) << 8 : 0);
    to[0] = kBase64[group >> 18];
    to[1] = kBase64[group >> 12 & 63];
    to[2] = left == 2 ? kBase64[group >> 6 & 63] : '=';
    to[3] = '=';
  }
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  base64_append(out, bytes);
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    if (i + 4 == text.size() && text[i + 3] == '=') {
      return decode_tail(text.substr(i), out) ? std::optional<std::string>(std::move(out))
                                              : std::nullopt;
    }
    int32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int value = kReverse[static_cast<unsigned char>(text[i + k])];
      if (value < 0) return std::nullopt;
      group = group << 6 | value;
    }
    out.push_back(static_cast<char>(group >> 16));
    out.push_back(static_cast<char>(group >> 8 & 255));
    out.push_back(static_cast<char>(group & 255));
  }
  return out;
}

}  // namespace millrace
