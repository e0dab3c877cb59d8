// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sizes and durations as operators write them. Anchored: the whole text is digits and at most one
// suffix, unlike Fluentd, which takes "10ms" for ten minutes. Any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::config {

/// What an error message lists as allowed.
extern const char* const kSizeForms;
extern const char* const kDurationForms;

/// Bytes: digits, then nothing or one of k m g t (either case), powers of 1024. Nothing on any
/// other text and when the number does not fit.
std::optional<uint64_t> parse_size(std::string_view text);

/// Milliseconds: digits, then one of ms s m h d; digits alone are seconds.
std::optional<uint64_t> parse_duration_ms(std::string_view text);

/// The shortest exact form that the parsers read back: 307200 is "300k", 90000 ms is "90s".
std::string size_text(uint64_t bytes);
std::string duration_text(uint64_t ms);

}  // namespace millrace::config
