// SPDX-License-Identifier: Apache-2.0
#pragma once

// A syntax error in words that do not depend on the TOML library and its version, with a hint for
// what people write most often. Works on texts alone. Any thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::config {

/// Where and what, as the library tells it.
struct SyntaxFault {
  uint32_t line = 0;  // 0: unknown
  uint32_t column = 1;
  uint32_t width = 1;
  std::string what;
  uint32_t other_line = 0;  // where it began, or was defined first; 0: none
};

/// Reads the text of a toml::syntax_error of version 3: a title, then lines `12 | source` with a
/// line of ^ or ~ under each. The last place is the fault's, the first the other one.
SyntaxFault read_library_text(std::string_view text);

/// Our words for a title of the library; its own, without the function's name, where we have none.
std::string plain_title(std::string_view title);

/// What to write instead of `line`, or "". `line` must hold no secret.
std::string syntax_hint(std::string_view line);

}  // namespace millrace::config
