// SPDX-License-Identifier: Apache-2.0
#pragma once

// One value of a file, judged by its option: type, suffix, bounds, words, references to the
// environment, and whether a secret may stand in this file. Any thread.

#include <optional>

#include "config/document.h"
#include "config/environment.h"
#include "config/option.h"
#include "config/report.h"

namespace millrace::config {

/// The value, or nothing and an error in `report`.
std::optional<Value> read_value(const Option& option, const Node& node,
                                const Environment& environment, Report& report);

/// What an option takes, for a note or a help text: `"300k" ... from 1k to 10m`.
std::string allowed_text(const Option& option);

}  // namespace millrace::config
