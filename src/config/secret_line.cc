// SPDX-License-Identifier: Apache-2.0
#include "config/secret_line.h"

#include <algorithm>
#include <vector>

#include "config/complaint.h"
#include "config/config_file.h"
#include "config/near_match.h"
#include "config/option.h"

namespace millrace::config {
namespace {

constexpr size_t kNearDistance = 2;
constexpr std::string_view kHidden = " (not shown)";

bool is_key_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

bool is_url(const Option& option) { return option.complaint == http_url_complaint; }

// A user stands before an '@', which may be written as an escape of TOML; of an array, a string of
// several lines or one that does not end, it may stand on another line.
bool is_plain_url(std::string_view after_key) {
  if (after_key.find_first_of("@\\") != std::string_view::npos) return false;
  const size_t start = after_key.find_first_of("\"'[{");
  if (start == std::string_view::npos) return true;
  const std::string_view value = after_key.substr(start + 1);
  const size_t end = value.find(after_key[start]);
  return end != std::string_view::npos && end > 0;
}

// Whether the value of `key` is to be hidden; `after_key` is the rest of its line.
bool is_secret_key(std::string_view key, std::string_view after_key) {
  for (const Section& section : sections()) {
    for (const Option& option : section.options) {
      if (!option.secret && (!is_url(option) || is_plain_url(after_key))) continue;
      if (edit_distance(key, option.name) <= kNearDistance) return true;
    }
  }
  return false;
}

// Where the first run of key characters begins and ends in `line` from `at` on.
std::string_view next_word(std::string_view line, size_t at) {
  while (at < line.size() && !is_key_character(line[at])) ++at;
  size_t end = at;
  while (end < line.size() && is_key_character(line[end])) ++end;
  return line.substr(at, end - at);
}

bool begins_a_key_or_table(std::string_view line) {
  const std::string_view word = next_word(line, 0);
  const size_t before = static_cast<size_t>(word.data() - line.data());
  if (line.substr(0, before).find_first_not_of(" \t") == std::string_view::npos && !word.empty()) {
    const size_t after = line.find_first_not_of(" \t", before + word.size());
    return after != std::string_view::npos && (line[after] == '=' || line[after] == '.');
  }
  const size_t first = line.find_first_not_of(" \t");
  return first != std::string_view::npos && line[first] == '[';
}

// The end of the first secret key in `line`, or npos.
size_t secret_key_end(std::string_view line) {
  size_t at = 0;
  for (;;) {
    const std::string_view word = next_word(line, at);
    if (word.empty()) return std::string_view::npos;
    at = static_cast<size_t>(word.data() - line.data()) + word.size();
    if (is_secret_key(word, line.substr(at))) return at;
  }
}

}  // namespace

bool may_hold_user(const Option& option, std::string_view value) {
  return is_url(option) && value.find('@') != std::string_view::npos;
}

std::string line_without_secret(std::string_view text, uint32_t number) {
  const std::string_view line = line_of(text, number);
  if (line.empty()) return {};
  const size_t end = secret_key_end(line);
  if (end != std::string_view::npos) {
    const size_t equals = line.find('=', end);
    if (equals == std::string_view::npos) return std::string(line.substr(0, end)) + " ...";
    return std::string(line.substr(0, equals + 1)) + std::string(kHidden);
  }
  // Inside of a value that began above, the key stands there.
  std::string_view above = line;
  while (!begins_a_key_or_table(above) && above.data() != text.data()) {
    const std::string_view before =
        text.substr(0, static_cast<size_t>(above.data() - text.data()) - 1);
    above = before.substr(before.rfind('\n') + 1);
  }
  if (above.data() != line.data() && secret_key_end(above) != std::string_view::npos) {
    return std::string(kHidden.substr(1));
  }
  return std::string(line);
}

}  // namespace millrace::config
