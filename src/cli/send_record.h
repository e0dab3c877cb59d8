// SPDX-License-Identifier: Apache-2.0
#pragma once

// A line of JSON as the MessagePack of a record: members keep their order, and equal keys all stay.
// Integers beyond 64 bits become floats. Any thread.

#include <string>
#include <string_view>

#include "base/event_time.h"
#include "base/result.h"

namespace millrace::cli {

constexpr size_t kRecordDepthMax = 100;

/// Appends the map that `line` is. kInvalid: no JSON object, or nested deeper than
/// kRecordDepthMax; `out` is as before then.
Result<> append_record(std::string_view line, std::string& out);

/// Appends an EventTime: ext type 0, 8 bytes (forward protocol v1, "EventTime Ext Format").
void append_event_time(const EventTime& time, std::string& out);

/// Seconds since 1970 with an optional fraction, or RFC 3339 with Z or an offset. kInvalid:
/// neither, or outside of what an EventTime holds (1970 to 2106).
Result<EventTime> parse_event_time(std::string_view text);

}  // namespace millrace::cli
