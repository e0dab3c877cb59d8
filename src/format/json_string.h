// SPDX-License-Identifier: Apache-2.0
#pragma once

// The inside of a JSON string: bytes copied, 16 at a time, until one has to be escaped or replaced.
// Escapes as Fluentd's writer (Oj): \b \t \n \f \r \" \\, other control characters \u00xx in lower
// case, nothing else. What is not UTF-8 becomes U+FFFD, or is copied as it is in raw mode
// (json_compat "oj"). Any thread; nothing is kept.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::format {

/// Which bytes stop the plain copy: in kValid also those >= 0x80, which have to be checked.
enum class Utf8Mode { kValid, kRaw };

inline constexpr size_t kBlockBytes = 16;

/// Copies 16 bytes and returns a bit for each that is not plain (bit i: in[i]).
template <Utf8Mode kMode>
inline uint32_t copy_block_portable(const char* in, char* out) {
  uint32_t special = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    const auto byte = static_cast<unsigned char>(in[i]);
    const bool plain =
        byte >= 0x20 && byte != '"' && byte != '\\' && (kMode == Utf8Mode::kRaw || byte < 0x80);
    special |= (plain ? 0U : 1U) << i;
    out[i] = in[i];
  }
  return special;
}

#if defined(__SSE2__)
template <Utf8Mode kMode>
inline uint32_t copy_block(const char* in, char* out) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  __m128i special = _mm_or_si128(_mm_or_si128(control, quote), backslash);
  // movemask reads the top bit of each byte, so the bytes themselves mark what is not ASCII.
  if constexpr (kMode == Utf8Mode::kValid) special = _mm_or_si128(special, bytes);
  return static_cast<uint32_t>(_mm_movemask_epi8(special));
}
#else
template <Utf8Mode kMode>
inline uint32_t copy_block(const char* in, char* out) {
  return copy_block_portable<kMode>(in, out);
}
#endif

/// Writes the text of `in` up to `in_end`, without quotes, and returns the end of it; null when it
/// does not fit before `limit` (bytes before `limit` may then have changed). `replaced` is set when
/// a byte had to be replaced, else left alone.
template <Utf8Mode kMode>
char* escape_text(const char* in, const char* in_end, char* out, char* limit, bool& replaced);

/// Writes `size` bytes at `in` as a JSON string with its quotes. There must be room for
/// size + 2 + kBlockBytes before `limit`; null when escapes need more than that leaves.
/// `in_end` is the end of all input, up to which bytes may be read.
template <Utf8Mode kMode>
inline char* put_string(const char* in, size_t size, const char* in_end, char* out, char* limit,
                        bool& replaced) {
  *out++ = '"';
  size_t done = 0;
  if (static_cast<size_t>(in_end - in) >= size + kBlockBytes) [[likely]] {
    for (; size - done > kBlockBytes; done += kBlockBytes) {
      if (copy_block<kMode>(in + done, out + done) != 0) [[unlikely]] {
        goto special;
      }
    }
    const uint32_t wanted = (1U << (size - done)) - 1;
    if ((copy_block<kMode>(in + done, out + done) & wanted) == 0) [[likely]] {
      out[size] = '"';
      return out + size + 1;
    }
  }
special:
  out = escape_text<kMode>(in + done, in + size, out + done, limit, replaced);
  if (out == nullptr || out == limit) return nullptr;
  *out = '"';
  return out + 1;
}

/// `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD and sets `replaced`.
std::string json_string(std::string_view text, bool& replaced);

}  // namespace millrace::format
