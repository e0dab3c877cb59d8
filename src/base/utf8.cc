// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace millrace {
namespace {

// What RFC 3629 section 4 allows after a lead byte: sequence length and the range of byte two.
struct Lead {
  size_t size;
  unsigned char second_min;
  unsigned char second_max;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xc2) return {0, 0, 0};
  if (byte < 0xe0) return {2, 0x80, 0xbf};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte < 0xf0) return {3, 0x80, 0xbf};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte < 0xf4) return {4, 0x80, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  return {0, 0, 0};
}

// Bytes at p that agree with the form that the lead byte asks for.
size_t matching(const char* p, const char* end, const Lead& lead) {
  size_t count = 1;
  while (count < lead.size && p + count < end) {
    const auto byte = static_cast<unsigned char>(p[count]);
    const unsigned char low = count == 1 ? lead.second_min : 0x80;
    const unsigned char high = count == 1 ? lead.second_max : 0xbf;
    if (byte < low || byte > high) break;
    ++count;
  }
  return count;
}

}  // namespace

size_t utf8_sequence_size(const char* p, const char* end) {
  const Lead lead = lead_of(static_cast<unsigned char>(*p));
  if (lead.size == 0 || matching(p, end, lead) != lead.size) return 0;
  return lead.size;
}

size_t utf8_invalid_size(const char* p, const char* end) {
  const Lead lead = lead_of(static_cast<unsigned char>(*p));
  return lead.size == 0 ? 1 : matching(p, end, lead);
}

bool utf8_valid(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    uint64_t eight;
    if (end - p >= 8 && (std::memcpy(&eight, p, 8), (eight & 0x8080808080808080U) == 0)) {
      p += 8;
      continue;
    }
    const size_t size = utf8_sequence_size(p, end);
    if (size == 0) return false;
    p += size;
  }
  return true;
}

std::string utf8_repaired(std::string_view text) {
  std::string out;
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    if (const size_t size = utf8_sequence_size(p, end); size > 0) {
      out.append(p, size);
      p += size;
    } else {
      out.append("\xef\xbf\xbd");
      p += utf8_invalid_size(p, end);
    }
  }
  return out;
}

}  // namespace millrace
