// SPDX-License-Identifier: Apache-2.0
#include "base/random_bytes.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace millrace {

void random_bytes(void* out, size_t size) {
  char* at = static_cast<char*>(out);
  while (size > 0) {
    // A signal may cut it short or end it before the first byte.
    const ssize_t got = ::getrandom(at, size, 0);
    CHECK(got >= 0 || errno == EINTR);
    if (got < 0) continue;
    at += got;
    size -= static_cast<size_t>(got);
  }
}

}  // namespace millrace
