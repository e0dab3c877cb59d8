// SPDX-License-Identifier: Apache-2.0
#pragma once

// The answer to a stored message: a map of one entry, key `ack`, with the value of the option
// `chunk` as it was received (Forward Protocol Specification v1, "Response"); as JSON text without
// a newline on a connection that speaks JSON. Pure functions; any thread.

#include <string>
#include <string_view>

namespace millrace::input {

/// Appends the ack for `chunk_value`, one MessagePack str, bin or int, to `out`.
void append_ack(std::string& out, std::string_view chunk_value);

/// The same as JSON. `chunk_value` is a str of valid UTF-8, or an int.
void append_json_ack(std::string& out, std::string_view chunk_value);

}  // namespace millrace::input
