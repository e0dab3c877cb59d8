// SPDX-License-Identifier: Apache-2.0
#pragma once

// The answer of GET /status as one screen of text. Any thread.

#include <optional>
#include <string>

namespace millrace::cli {

/// Nothing if `json` is not what a millrace answers. Parts that are missing, as from another
/// version, are left out.
std::optional<std::string> status_text(const std::string& json);

/// "512 B", "1.5 KiB", "64.0 GiB".
std::string bytes_text(uint64_t bytes);

}  // namespace millrace::cli
