// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace millrace {

void check_failed(const char* file, int line, const char* condition) noexcept {
  std::fprintf(stderr, "millrace: invariant broken at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace millrace
