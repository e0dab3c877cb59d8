// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bytes of the kernel's random source, as getrandom(2) gives them. Any thread.

#include <cstddef>

namespace millrace {

/// Fills `size` bytes. Blocks only until the machine's source is ready, once after its boot.
void random_bytes(void* out, size_t size);

}  // namespace millrace
