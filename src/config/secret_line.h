// SPDX-License-Identifier: Apache-2.0
#pragma once

// A line of a configuration file as an error message may show it. Works on the text alone, since
// it must hold for files that do not parse. Any thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::config {

struct Option;

/// Whether `value` of `option`, a URL that is no secret by itself, may hold a user and a password.
bool may_hold_user(const Option& option, std::string_view value);

/// Line `number` (from 1) of `text`. If it names a secret option, or a key two letters away from
/// one, the rest after "=" is left out; a further line of such a value is left out whole. The same
/// goes for an option that is a URL, unless the line is seen to hold neither user nor password.
std::string line_without_secret(std::string_view text, uint32_t number);

}  // namespace millrace::config
