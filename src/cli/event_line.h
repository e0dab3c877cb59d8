// SPDX-License-Identifier: Apache-2.0
#pragma once

// One event of a record as one line of output. Any thread.

#include <string>
#include <string_view>

namespace millrace::cli {

/// Where an event comes from; views of the record.
struct EventPlace {
  std::string_view partition_key;
  std::string_view sequence_number;  // empty: unknown, printed as null
  uint64_t sub_sequence = 0;         // its place in the record
};

/// `data` and a newline: JSON in one line (a newline at its end is not repeated), one line of
/// printable UTF-8 as it is, anything else as a JSON string with U+FFFD for bytes that are no
/// UTF-8.
std::string event_line(std::string_view data);

/// {"partition_key":..,"sub_sequence":..,"sequence_number":..,"data":..} and a newline. Data that
/// is not UTF-8 stands in "data_base64" instead.
std::string event_line_with_meta(const EventPlace& place, std::string_view data);

}  // namespace millrace::cli
