// SPDX-License-Identifier: Apache-2.0
#pragma once

// CHECK(condition): an invariant of our own. On in release builds; a failure prints file, line and
// the condition to stderr and ends the process by abort(), because going on would risk data.
// Never used for what the world can break (that is Result). Any thread.

namespace millrace {

[[noreturn]] void check_failed(const char* file, int line, const char* condition) noexcept;

}  // namespace millrace

#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::millrace::check_failed(__FILE__, __LINE__, #condition))
