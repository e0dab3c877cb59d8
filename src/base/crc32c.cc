// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <array>

#include "base/endian.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
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
// The instruction takes three cycles and begins one each: three streams side by side keep it busy.
constexpr size_t kStreamBytes = 1024;

// x^n modulo the polynomial, reflected: bit 31 - i is the coefficient of x^i.
constexpr uint32_t power_of_x(size_t n) {
  uint32_t value = 0x80000000U;  // x^0
  for (size_t i = 0; i < n; ++i) {
    value = (value & 1) != 0 ? (value >> 1) ^ kPolynomialReflected : value >> 1;
  }
  return value;
}

// What a CRC is multiplied by to go on over `bytes` zeros. A carry-less product of two reflected
// numbers lies one bit higher, and the instruction that reduces it multiplies by x^32.
constexpr uint32_t kOverOneStream = power_of_x(8 * kStreamBytes - 33);
constexpr uint32_t kOverTwoStreams = power_of_x(16 * kStreamBytes - 33);

__attribute__((target("sse4.2,pclmul"))) uint64_t over_zeros(uint64_t crc, uint32_t power) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)),
                                               _mm_cvtsi64_si128(power), 0);
  return _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product)));
}

// Of three streams that follow each other, from the state before the first of them.
__attribute__((target("sse4.2,pclmul"))) uint64_t extend_three(uint64_t state,
                                                               const unsigned char* p) {
  uint64_t second = 0;
  uint64_t third = 0;
  for (const unsigned char* end = p + kStreamBytes; p < end; p += 8) {
    state = _mm_crc32_u64(state, load_le<uint64_t>(p));
    second = _mm_crc32_u64(second, load_le<uint64_t>(p + kStreamBytes));
    third = _mm_crc32_u64(third, load_le<uint64_t>(p + 2 * kStreamBytes));
  }
  return over_zeros(state, kOverTwoStreams) ^ over_zeros(second, kOverOneStream) ^ third;
}

__attribute__((target("sse4.2,pclmul"))) uint32_t extend_sse42(uint32_t crc, const void* bytes,
                                                               size_t size) {
  const auto* p = static_cast<const unsigned char*>(bytes);
  uint64_t state = crc ^ 0xffffffffU;
  for (; size >= 3 * kStreamBytes; size -= 3 * kStreamBytes, p += 3 * kStreamBytes) {
    state = extend_three(state, p);
  }
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
  static const bool has_instructions =
      __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0;
  if (has_instructions) {
    return extend_sse42(crc, bytes, size);
  }
#endif
  return crc32c_extend_table(crc, bytes, size);
}

}  // namespace millrace
