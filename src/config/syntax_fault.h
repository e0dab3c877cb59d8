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
  std::string source_line;  // as the library shows it
};

/// Reads the text of a toml::syntax_error of version 3: a title, then lines `12 | source` with a
/// line of ^ or ~ under each. The last place is the fault's, the first the other one.
SyntaxFault read_library_text(std::string_view text);

/// The library takes a dotted key, or a date with a time, apart as a text of its own and counts
/// from its start: finds its line and column in `file`; line 0 if it is not there.
void place_in_file(SyntaxFault& fault, std::string_view file);

/// Our words for a title of the library, never empty.
std::string plain_title(std::string_view title);

/// What to write instead of `line`, or "". `line` must hold no secret.
std::string syntax_hint(std::string_view line);

}  // namespace millrace::config
