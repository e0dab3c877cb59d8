// SPDX-License-Identifier: Apache-2.0
#include "cli/event_line.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/utf8.h"

namespace millrace::cli {
namespace {

using Json = nlohmann::json;

std::string_view without_newline(std::string_view data) {
  if (!data.empty() && data.back() == '\n') data.remove_suffix(1);
  return data;
}

// The library takes a NUL byte for the end of the text.
bool is_json(std::string_view text) {
  return utf8_valid(text) && text.find('\0') == std::string_view::npos &&
         Json::accept(text.begin(), text.end());
}

bool is_printable(std::string_view text) {
  return utf8_valid(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
         });
}

// A newline of valid JSON stands between its parts, never in a string.
std::string in_one_line(std::string_view json) {
  std::string line(json);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::replace(line.begin(), line.end(), '\r', ' ');
  return line;
}

std::string quoted(std::string_view text) {
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string event_line(std::string_view data) {
  const std::string_view text = without_newline(data);
  if (is_json(text)) return in_one_line(text) + "\n";
  return (is_printable(text) ? std::string(text) : quoted(data)) + "\n";
}

std::string event_line_with_meta(const EventPlace& place, std::string_view data) {
  std::string line = "{\"partition_key\":" + quoted(place.partition_key) +
                     ",\"sub_sequence\":" + std::to_string(place.sub_sequence) +
                     ",\"sequence_number\":";
  line += place.sequence_number.empty() ? "null" : quoted(place.sequence_number);
  const std::string_view text = without_newline(data);
  if (is_json(text)) {
    line += ",\"data\":" + in_one_line(text);
  } else if (utf8_valid(data)) {
    line += ",\"data\":" + quoted(data);
  } else {
    line += ",\"data_base64\":\"" + base64_encode(data) + "\"";
  }
  return line + "}\n";
}

}  // namespace millrace::cli
