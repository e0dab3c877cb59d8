// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a file must keep to before the TOML library sees it. The library recurses once per bracket
// and builds a table per dot of a key, so depth, dots and lines are bounded here. Knows strings and
// comments, not grammar: where it reads a text differently from the library, it counts too much.
// Invariant: an accepted text nests at most kBracketDepthMax brackets and kDotsPerLineMax tables
// per line. Any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::config {

constexpr size_t kLineBytesMax = 64 << 10;
constexpr size_t kBracketDepthMax = 64;
constexpr size_t kDotsPerLineMax = 64;
constexpr size_t kValuesMax = 10'000;  // with tables and arrays; the library's time grows faster

/// What a file is refused for. Line and column count from 1, the column in bytes.
struct TextFault {
  uint32_t line = 1;
  uint32_t column = 1;
  std::string what;
};

/// The first fault of `text`: size, UTF-8, NUL, line length, bracket depth, dots or values.
std::optional<TextFault> gate_toml(std::string_view text);

}  // namespace millrace::config
