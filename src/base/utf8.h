// SPDX-License-Identifier: Apache-2.0
#pragma once

// UTF-8 checks by RFC 3629 (no surrogates, no overlong forms, at most U+10FFFF). Any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace {

/// Bytes of the valid sequence that starts at `p` (1 to 4), or 0 if none does. p < end.
size_t utf8_sequence_size(const char* p, const char* end);

/// Bytes to skip at `p`, where no valid sequence starts: the maximal subpart of an ill-formed
/// sequence (Unicode 15, section 3.9, "U+FFFD substitution of maximal subparts"), at least 1.
size_t utf8_invalid_size(const char* p, const char* end);

bool utf8_valid(std::string_view text);

/// `text` with each maximal invalid subpart replaced by U+FFFD.
std::string utf8_repaired(std::string_view text);

}  // namespace millrace
