// SPDX-License-Identifier: Apache-2.0
#pragma once

// ${NAME} and ${NAME:-default} in the strings of a configuration. "$${" stands for "${". The
// environment is handed in, so that tests have their own. Any thread.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::config {

/// The value of a variable, or nothing if it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

Environment process_environment();

/// `text` with every reference replaced. kInvalid: a variable that is not set and has no default
/// (an empty value takes the default, as in a shell), a reference that does not end, a value that
/// is not UTF-8, or more than 64 KiB.
Result<std::string> expand(std::string_view text, const Environment& environment);

/// `text` without its references: what a reader of the file learns.
std::string literal_part(std::string_view text);

}  // namespace millrace::config
