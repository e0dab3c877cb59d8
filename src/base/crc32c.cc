// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <array>

#include "base/endian.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace millrace {
namespace {

constexpr uint32_t kPolynomialReflected = 0x82f63b78;

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ kPolynomialReflected : crc >> 1;
    }
    table[i] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = make_table();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t extend_sse42(uint32_t crc, const void* bytes,
                                                        size_t size) {
  const auto* p = static_cast<const unsigned char*>(bytes);
  uint64_t state = crc ^ 0xffffffffU;
  for (; size >= 8; size -= 8, p += 8) {
    state = _mm_crc32_u64(state, load_le<uint64_t>(p));
  }
  auto narrow = static_cast<uint32_t>(state);
  for (; size > 0; --size, ++p) {
    narrow = _mm_crc32_u8(narrow, *p);
  }
  return narrow ^ 0xffffffffU;
}
#endif

}  // namespace

uint32_t crc32c_extend_table(uint32_t crc, const void* bytes, size_t size) {
  const auto* p = static_cast<const unsigned char*>(bytes);
  crc ^= 0xffffffffU;
  for (; size > 0; --size, ++p) {
    crc = kTable[(crc ^ *p) & 0xffU] ^ (crc >> 8);
  }
  return crc ^ 0xffffffffU;
}

uint32_t crc32c_extend(uint32_t crc, const void* bytes, size_t size) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) {
    return extend_sse42(crc, bytes, size);
  }
#endif
  return crc32c_extend_table(crc, bytes, size);
}

}  // namespace millrace
