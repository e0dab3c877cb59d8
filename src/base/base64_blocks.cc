// SPDX-License-Identifier: Apache-2.0
#include "base/base64_blocks.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace millrace {

#if defined(__x86_64__)
namespace {

constexpr size_t kBlockBytes = 24;
constexpr size_t kReadBytes = 28;  // two loads of 16, the second from byte 12

// Three bytes abc of each group of twelve become the four bytes b a c b, so that every six bits lie
// within one 16-bit half.
__attribute__((target("avx2"))) __m256i spread(__m256i bytes) {
  return _mm256_shuffle_epi8(bytes,
                             _mm256_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10,  //
                                              1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
}

// Every six bits into a byte of their own: the two high fields of each 32 bits are shifted down by
// a multiplication that keeps the high half, the two low ones up by one that keeps the low half.
__attribute__((target("avx2"))) __m256i to_sixes(__m256i spread_bytes) {
  const __m256i high = _mm256_and_si256(spread_bytes, _mm256_set1_epi32(0x0fc0fc00));
  const __m256i low = _mm256_and_si256(spread_bytes, _mm256_set1_epi32(0x003f03f0));
  return _mm256_or_si256(_mm256_mulhi_epu16(high, _mm256_set1_epi32(0x04000040)),
                         _mm256_mullo_epi16(low, _mm256_set1_epi32(0x01000010)));
}

// The alphabet is five runs; what is added to a value to get its character depends on its run:
// 0-25 'A', 26-51 'a', 52-61 '0', 62 '+', 63 '/'.
__attribute__((target("avx2"))) __m256i to_characters(__m256i sixes) {
  // 0 for 0-51, then 1 to 12 for 52 to 63; 13 for 0-25.
  const __m256i above = _mm256_subs_epu8(sixes, _mm256_set1_epi8(51));
  const __m256i is_upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), sixes);
  const __m256i run = _mm256_or_si256(above, _mm256_and_si256(is_upper, _mm256_set1_epi8(13)));
  constexpr char kLower = 'a' - 26, kDigit = '0' - 52, kPlus = '+' - 62, kSlash = '/' - 63;
  const __m256i add = _mm256_setr_epi8(kLower, kDigit, kDigit, kDigit, kDigit, kDigit, kDigit,
                                       kDigit, kDigit, kDigit, kDigit, kPlus, kSlash, 'A', 0, 0,  //
                                       kLower, kDigit, kDigit, kDigit, kDigit, kDigit, kDigit,
                                       kDigit, kDigit, kDigit, kDigit, kPlus, kSlash, 'A', 0, 0);
  return _mm256_add_epi8(_mm256_shuffle_epi8(add, run), sixes);
}

__attribute__((target("avx2"))) size_t blocks_avx2(char* out, const char* bytes, size_t size) {
  size_t done = 0;
  for (; size - done >= kReadBytes; done += kBlockBytes, out += 32) {
    const auto* from = reinterpret_cast<const __m128i*>(bytes + done);
    const auto* from_12 = reinterpret_cast<const __m128i*>(bytes + done + 12);
    const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(from)),
                                                 _mm_loadu_si128(from_12), 1);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), to_characters(to_sixes(spread(both))));
  }
  return done;
}

}  // namespace

size_t base64_blocks(char* out, const char* bytes, size_t size) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  return has_avx2 ? blocks_avx2(out, bytes, size) : 0;
}
#else
size_t base64_blocks(char*, const char*, size_t) { return 0; }
#endif

}  // namespace millrace
