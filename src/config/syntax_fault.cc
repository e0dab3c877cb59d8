// SPDX-License-Identifier: Apache-2.0
#include "config/syntax_fault.h"

#include <charconv>

namespace millrace::config {
namespace {

struct Wording {
  std::string_view part;  // of the library's title, 3.7 or 4.4
  std::string_view words;
};

constexpr Wording kWordings[] = {
    {"invalid line format", "more text after the value"},
    {"newline (LF / CRLF) or EOF", "more text after the value"},
    {"missing key-value separator", "no \"=\" after the key"},
    {"invalid key value separator", "no \"=\" after the key"},
    {"missing value after", "no value after \"=\""},
    {"unknown value appeared", "not a value of TOML"},
    {"not a valid string", "a string that is not closed, or a \\ that begins no escape of TOML"},
    {"invalid string format", "a string that is not closed, or a \\ that begins no escape of TOML"},
    {"not a valid multiline string", "a string of several lines that does not end"},
    {"missing array separator", "no \",\" or \"]\" in an array"},
    {"expected value-separator `,` or closing `]`", "no \",\" or \"]\" in an array"},
    {"expected value-separator `,` or closing `}`", "no \",\" or \"}\" in an inline table"},
    {"missing curly brace", "no \",\" or \"}\" in an inline table"},
    {"empty key", "no key before \"=\""},
    {"invalid key", "neither a key nor a [table]"},
    {"invalid table key", "neither a key nor a [table]"},
    {"already exists", "defined twice"},
    {"already defined", "defined twice"},
    {"leading zero", "a number with a leading zero"},
    {"invalid date", "not a date"},
};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

bool is_key(std::string_view text) {
  return !text.empty() && text.find_first_not_of(
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
                              std::string_view::npos;
}

// A value that only lacks its quotes: `5s`, `info`, `/var/lib`, `app.**`.
bool lacks_quotes(std::string_view value) {
  if (value.empty() || value.find_first_of("\"'[]{}=,#") != std::string_view::npos) return false;
  return value != "true" && value != "false" &&
         value.find_first_not_of("0123456789+-._") != std::string_view::npos;
}

}  // namespace

SyntaxFault read_library_text(std::string_view text) {
  SyntaxFault fault;
  fault.what = plain_title(take_line(text));
  uint32_t line_number = 0;
  size_t margin = 0;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const size_t bar = line.find(" | ");
    if (bar == std::string_view::npos) continue;
    const std::string_view number = trimmed(line.substr(0, bar));
    if (!number.empty()) {
      const auto [rest, error] =
          std::from_chars(number.data(), number.data() + number.size(), line_number);
      if (error != std::errc() || rest != number.data() + number.size()) line_number = 0;
      margin = bar + 3;
      continue;
    }
    const size_t mark = line.find_first_of("^~", bar);
    if (line_number == 0 || mark == std::string_view::npos || mark < margin) continue;
    if (fault.line != 0 && fault.other_line == 0) fault.other_line = fault.line;
    fault.line = line_number;
    fault.column = static_cast<uint32_t>(mark - margin + 1);
    const size_t mark_end = line.find_first_not_of('~', mark);
    fault.width = static_cast<uint32_t>(
        line[mark] == '~' ? (mark_end == std::string_view::npos ? line.size() : mark_end) - mark
                          : 1);
    line_number = 0;
  }
  if (fault.other_line == fault.line) fault.other_line = 0;
  return fault;
}

std::string plain_title(std::string_view title) {
  for (const Wording& wording : kWordings) {
    if (title.find(wording.part) != std::string_view::npos) return std::string(wording.words);
  }
  if (title.substr(0, 8) == "[error] ") title.remove_prefix(8);
  if (title.substr(0, 6) == "toml::") {
    const size_t colon = title.find(": ", 6);
    if (colon != std::string_view::npos) title.remove_prefix(colon + 2);
  }
  return std::string(trimmed(title));
}

std::string syntax_hint(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.substr(0, 1) == "<" || text.substr(0, 1) == "@") {
    return "this is the syntax of Fluentd's own files; here a section is written [[source]] or "
           "[[match]], and type, id without @";
  }
  for (const std::string_view name : {"source", "match"}) {
    if (text.substr(0, name.size() + 2) == "[" + std::string(name) + "]") {
      return "each one has two brackets: [[" + std::string(name) + "]]";
    }
  }
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    const std::string_view key = trimmed(text.substr(0, equals));
    const std::string_view value = trimmed(text.substr(equals + 1));
    if (is_key(key) && lacks_quotes(value)) {
      return "a text stands in quotes: " + std::string(key) + " = \"" + std::string(value) + "\"";
    }
    return {};
  }
  const size_t key_end = text.find_first_of(" \t:");
  if (key_end != std::string_view::npos && is_key(text.substr(0, key_end))) {
    return "write it as " + std::string(text.substr(0, key_end)) + " = ...";
  }
  return {};
}

}  // namespace millrace::config
