// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bulk of base64_append(): whole blocks of 24 bytes by AVX2, eight groups at a time. Makes no
// tail and no padding. Any thread.

#include <cstddef>

namespace millrace {

/// Writes 32 characters for each 24 bytes it takes from `bytes`, to `out`, which has room for the
/// base64 form of all of them. Returns how many bytes it took: a multiple of 24, less than 28 short
/// of `size`; 0 on a processor without AVX2.
size_t base64_blocks(char* out, const char* bytes, size_t size);

}  // namespace millrace
