// SPDX-License-Identifier: Apache-2.0
#pragma once

// Hexadecimal (lower case) and base64 (RFC 4648, standard alphabet, padded). Any thread.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

std::string hex_encode(std::string_view bytes);
/// The bytes, or nothing if `text` has odd length or another character than 0-9 a-f A-F.
std::optional<std::string> hex_decode(std::string_view text);

/// Characters that base64 makes of `bytes` bytes, padding included.
constexpr size_t base64_encoded_size(size_t bytes) { return (bytes + 2) / 3 * 4; }
/// Appends the base64 form of `bytes` to `out`.
void base64_append(std::string& out, std::string_view bytes);
std::string base64_encode(std::string_view bytes);
/// The bytes, or nothing if `text` is not strict, padded base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace millrace
