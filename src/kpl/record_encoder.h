// SPDX-License-Identifier: Apache-2.0
#pragma once

// One user record inside an aggregated record: a header in front of its data. Does not touch the
// data. The sizes depend on each other through varints, so a caller formats the data behind a gap
// of kFragmentHeaderBytesGuess bytes, right for 128 to 16378 bytes of data, and moves it when
// fragment_header_size() turns out different. Any thread; nothing is kept.
// Invariant: put_fragment_header writes exactly fragment_header_size bytes.

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "kpl/kpl_format.h"

namespace millrace::kpl {

inline constexpr size_t kFragmentHeaderBytesMin = 6;
inline constexpr size_t kFragmentHeaderBytesGuess = 8;
/// For data below 4 GiB: tag, varint of 5, tag, index, tag, varint of 5.
inline constexpr size_t kFragmentHeaderBytesMax = 14;
inline constexpr size_t kFragmentDataBytesMax = 0xffffffff - kFragmentHeaderBytesMax;
/// Indices take one byte here; larger ones exist in the format but not in this program.
inline constexpr uint32_t kKeyIndexMax = 127;

/// Size of the Record message: index and data with their tags.
constexpr size_t fragment_inner_size(size_t data_bytes) {
  return 3 + varint_size(data_bytes) + data_bytes;
}

/// Bytes before the data of a fragment.
constexpr size_t fragment_header_size(size_t data_bytes) {
  return 1 + varint_size(fragment_inner_size(data_bytes)) + 3 + varint_size(data_bytes);
}

constexpr size_t fragment_size(size_t data_bytes) {
  return fragment_header_size(data_bytes) + data_bytes;
}

/// Writes the header of a fragment of `data_bytes` bytes; `index` is the place of its partition key
/// in the table. Returns the end, where the data goes.
inline char* put_fragment_header(char* out, size_t data_bytes, uint32_t index) {
  CHECK(index <= kKeyIndexMax && data_bytes <= kFragmentDataBytesMax);
  *out++ = kTagRecord;
  out = put_varint(out, fragment_inner_size(data_bytes));
  *out++ = kTagKeyIndex;
  *out++ = static_cast<char>(index);
  *out++ = kTagData;
  return put_varint(out, data_bytes);
}

}  // namespace millrace::kpl
