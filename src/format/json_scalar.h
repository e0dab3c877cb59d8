// SPDX-License-Identifier: Apache-2.0
#pragma once

// The values without parts: nil, booleans, numbers and extension values as JSON. Strings are in
// json_string.h, containers with the walks. Any thread; nothing is kept.

#include <cstddef>

#include "base/msgpack_token.h"
#include "format/format_result.h"

namespace millrace::format {

/// Room that put_scalar and put_scalar_key may use.
inline constexpr size_t kScalarRoomBytes = 64;

/// Writes the value of a nil, bool, number or ext. In `raw` mode NaN and infinities are written
/// bare (json_compat "oj"), else as null. An ext of type 0 with 8 bytes (EventTime) is its seconds,
/// one of type -1 (timestamp, MessagePack specification) RFC 3339 text, any other null.
char* put_scalar(const msgpack_token::Token& token, bool raw, char* out, ReplacedCounts& counts);

/// The text that such a value has as a key, with quotes: what Ruby's to_s says (1, 1.5, true; nil
/// is empty).
char* put_scalar_key(const msgpack_token::Token& token, char* out, ReplacedCounts& counts);

}  // namespace millrace::format
