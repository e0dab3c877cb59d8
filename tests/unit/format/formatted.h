// SPDX-License-Identifier: Apache-2.0
#pragma once

// Formatting for tests: text or the name of the status, with a guard behind the room.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "format/json_formatter.h"

namespace millrace::format {

inline std::string status_name(FormatStatus status) {
  switch (status) {
    case FormatStatus::kOk:
      return "ok";
    case FormatStatus::kNoSpace:
      return "no space";
    case FormatStatus::kNotMap:
      return "not a map";
    case FormatStatus::kTooDeep:
      return "too deep";
    case FormatStatus::kTooCostly:
      return "too costly";
    case FormatStatus::kTruncated:
      return "truncated";
    case FormatStatus::kMalformed:
      return "malformed";
  }
  return "";
}

inline constexpr EventTime kTestTime{1293974055, 0};  // 2011-01-02T13:14:15Z

/// More room than the JSON of `record` needs.
inline size_t ample_room(const std::string& record) { return record.size() * 8 + 1024; }

/// The JSON of `record` in `room` bytes, or the name of the status.
inline std::string formatted(JsonFormatter& formatter, const std::string& record, EventTime time,
                             size_t room) {
  std::vector<char> bytes(room + 16, '#');
  const char* const end = record.data() + record.size();
  const FormatResult result =
      formatter.format(record.data(), end, time, bytes.data(), bytes.data() + room);
  EXPECT_EQ(std::string(bytes.data() + room, 16), std::string(16, '#')) << "wrote beyond its room";
  if (result.status != FormatStatus::kOk) return status_name(result.status);
  EXPECT_EQ(result.record_end, end);
  return {bytes.data(), result.out_end};
}

inline std::string formatted(JsonFormatter& formatter, const std::string& record,
                             EventTime time = kTestTime) {
  return formatted(formatter, record, time, ample_room(record));
}

/// Options without injection.
inline config::Format plain_options() {
  config::Format options;
  options.inject = false;
  return options;
}

inline std::string plain(const std::string& record) {
  JsonFormatter formatter(plain_options());
  return formatted(formatter, record);
}

}  // namespace millrace::format
