// SPDX-License-Identifier: Apache-2.0
#pragma once

// CRC-32C (Castagnoli, reflected, initial and final complement; RFC 3720 appendix B.4).
// Uses the SSE4.2 instruction, three streams at a time, where the processor has it and PCLMULQDQ,
// else a table. Any thread.
// Check value: crc32c("123456789") == 0xe3069283.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace {

/// The CRC of what `crc` covers followed by `bytes`; crc of nothing is 0.
uint32_t crc32c_extend(uint32_t crc, const void* bytes, size_t size);

inline uint32_t crc32c(std::string_view bytes) {
  return crc32c_extend(0, bytes.data(), bytes.size());
}

/// The table form, which every processor can run; for tests and as the fallback.
uint32_t crc32c_extend_table(uint32_t crc, const void* bytes, size_t size);

}  // namespace millrace
