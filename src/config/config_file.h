// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text of one configuration file and places in it. A Place names a file by its number in the
// order of reading (0 is the file given by the operator, the others are included ones).
// Values; any thread. Invariant: text is at most kConfigBytesMax bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::config {

constexpr size_t kConfigBytesMax = 4 << 20;

struct ConfigFile {
  std::string name;
  std::string text;
  bool world_readable = false;  // the mode lets every user read it
};

/// Line and column count from 1 (column in bytes); line 0 is the file as a whole.
struct Place {
  uint32_t file = 0;
  uint32_t line = 0;
  uint32_t column = 1;
  uint32_t width = 1;  // bytes to underline
};

/// kNotFound, kPermission, kIo as the system says; kInvalid above kConfigBytesMax. The message
/// leaves the name to the caller.
Result<ConfigFile> read_config_file(const std::string& path);

/// Line `number` (from 1) without its newline; empty beyond the end.
std::string_view line_of(std::string_view text, uint32_t number);

}  // namespace millrace::config
