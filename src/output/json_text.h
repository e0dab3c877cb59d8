// SPDX-License-Identifier: Apache-2.0
#pragma once

// A JSON string written to a buffer. The only JSON that outputs write besides constants, digits and
// base64. Any thread.

#include <string>
#include <string_view>

namespace millrace::output {

/// Appends `text` (UTF-8) in double quotes, escaping what RFC 8259 section 7 demands.
void append_json_string(std::string& out, std::string_view text);

}  // namespace millrace::output
