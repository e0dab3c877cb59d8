// SPDX-License-Identifier: Apache-2.0
#pragma once

// The known word that an unknown one was probably meant to be. Any thread.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::config {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
/// string alignment). Words longer than 64 bytes are cut there.
size_t edit_distance(std::string_view a, std::string_view b);

/// The nearest of `words`, or "" if none is within a third of the length (at least 1) of `word`.
/// A word that begins with the other ("warning", "warn") is as near as one letter.
std::string near_match(std::string_view word, std::span<const std::string> words);

}  // namespace millrace::config
