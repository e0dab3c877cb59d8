// SPDX-License-Identifier: Apache-2.0
#include "config/syntax_fault.h"

#include <charconv>

#include "config/config_file.h"

namespace millrace::config {
namespace {

struct Wording {
  std::string_view part;  // of the library's title, 3.7 or 4.4; the first row that fits counts
  std::string_view words;
};

constexpr Wording kWordings[] = {
    // First those of titles that hold a key of the file, which may read like any other title.
    {"immutable", "an addition to an inline table or array, which ends with its bracket"},
    {"is neither table nor", "a key below one that is no table"},
    {"already exists", "defined twice"},
    {"already defined", "defined twice"},
    {"cannot be defined", "defined twice"},
    {"collides with existing", "defined twice"},
    {"conflict to each other", "defined twice"},
    {"cannot reopen", "defined twice"},
    {"invalid line format", "more text after the value"},
    {"newline (LF / CRLF) or EOF", "more text after the value"},
    {"newline (or EOF) expected", "more text after the value"},
    {"newline required after [", "more text after a [table]"},
    {"missing key-value separator", "no \"=\" after the key"},
    {"invalid key value separator", "no \"=\" after the key"},
    {"missing value after", "no value after \"=\""},
    {"input is empty", "no value after \"=\""},
    {"not a valid literal string", "a string in ' that is not closed"},
    {"not a valid multiline literal string", "a string of several lines that does not end"},
    {"not a valid multiline string",
     "a string of several lines that does not end, or a \\ that begins no escape of TOML"},
    {"not a valid string", "a string that is not closed, or a \\ that begins no escape of TOML"},
    {"invalid string format", "a string that is not closed, or a \\ that begins no escape of TOML"},
    {"codepoint", "an escape that is no character of Unicode"},
    {"parse_escape_sequence", "a string that is not closed, or a \\ that begins no escape of TOML"},
    {"invalid utf8 sequence", "a byte that is not valid UTF-8"},
    {"appeared in an array", "neither a value nor \"]\" in an array"},
    {"missing array separator", "no \",\" or \"]\" in an array"},
    {"did not closed by `]`", "no \",\" or \"]\" in an array"},
    {"missing closing bracket `]`", "no \",\" or \"]\" in an array"},
    {"expected value-separator `,` or closing `]`", "no \",\" or \"]\" in an array"},
    {"missing table separator", "no \",\" or \"}\" in an inline table"},
    {"missing curly brace", "no \",\" or \"}\" in an inline table"},
    {"did not closed by `}`", "no \",\" or \"}\" in an inline table"},
    {"missing closing bracket `}`", "no \",\" or \"}\" in an inline table"},
    {"expected value-separator `,` or closing `}`", "no \",\" or \"}\" in an inline table"},
    {"trailing comma", "a \",\" before the \"}\" of an inline table"},
    {"empty key", "no key before \"=\""},
    {"invalid format for key",
     "not a key; one of other characters than letters, digits, _ and - stands in quotes"},
    {"invalid key", "neither a key nor a [table]"},
    {"expected a new key", "neither a key nor a [table]"},
    {"invalid table key", "neither a key nor a [table]"},
    {"invalid array-table key", "neither a key nor a [table]"},
    {"invalid array-of-tables key", "neither a key nor a [table]"},
    {"not a valid table key", "neither a key nor a [table]"},
    {"unknown line appeared", "neither a key nor a [table]"},
    {"leading zero", "a number with a leading zero"},
    {"`_` should be", "a \"_\" in a number that is not between two digits"},
    {"`_` must be", "a \"_\" in a number that is not between two digits"},
    {"bad float", "a number that lacks a digit before or behind its \".\", or behind its e"},
    {"invalid floating", "a number that lacks a digit before or behind its \".\", or behind its e"},
    {"parse_hex", "0x without a hexadecimal number behind it"},
    {"parse_bin", "0b without a binary number behind it"},
    {"parse_oct", "0o without an octal number behind it"},
    {"unknown integer prefix", "a number that begins with 0 and another letter than x, o or b"},
    {"invalid date", "not a date or time"},
    {"invalid time", "not a date or time"},
    {"invalid offset", "not a date or time"},
    {"bad datetime", "not a date or time"},
    {"bad time", "not a date or time"},
    {"bad offset", "not a date or time"},
    {"parse_local_", "not a date or time"},
    {"parse_offset_", "not a date or time"},
    {"unknown value appeared", "not a value of TOML"},
    {"unknown token appeared", "not a value of TOML"},
    {"bad integer", "not a value of TOML"},
    {"invalid integer", "not a value of TOML"},
    {"must be in lowercase", "not a value of TOML"},
    {"parse_boolean", "not a value of TOML"},
    {"parse_integer", "not a value of TOML"},
    {"parse_floating", "not a value of TOML"},
};

// For what has no row: nothing of the library reaches the operator.
constexpr std::string_view kAnyFault = "not readable as TOML";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view trimmed_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r") + 1);
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
  for (const std::string_view prefix : {"0x", "0o", "0b"}) {
    if (value.starts_with(prefix)) return false;
  }
  return value != "true" && value != "false" &&
         value.find_first_not_of("0123456789+-._eE") != std::string_view::npos;
}

// `tru`, `False`; a single letter may begin anything.
bool begins_true_or_false(std::string_view value) {
  std::string small(value);
  for (char& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return value.size() > 1 && value != "true" && value != "false" &&
         (std::string_view("true").starts_with(small) ||
          std::string_view("false").starts_with(small));
}

}  // namespace

SyntaxFault read_library_text(std::string_view text) {
  SyntaxFault fault;
  fault.what = plain_title(take_line(text));
  uint32_t line_number = 0;
  size_t margin = 0;
  std::string_view source;
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
      source = line.substr(margin);
      continue;
    }
    const size_t mark = line.find_first_of("^~", bar);
    if (line_number == 0 || mark == std::string_view::npos || mark < margin) continue;
    if (fault.line != 0 && fault.other_line == 0) fault.other_line = fault.line;
    fault.line = line_number;
    fault.source_line = source;
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

void place_in_file(SyntaxFault& fault, std::string_view file) {
  const std::string_view source = trimmed_end(fault.source_line);
  if (fault.line == 0 || trimmed_end(line_of(file, fault.line)) == source) return;
  for (fault.line = 1; !file.empty(); ++fault.line) {
    const std::string_view line = take_line(file);
    const size_t at = line.find(source);
    // Behind one of these it stands in a comment, or in a string that only looks like it.
    if (at == std::string_view::npos || line.find_first_of("#\"'") < at) continue;
    fault.column += static_cast<uint32_t>(at);
    return;
  }
  fault.line = 0;
}

std::string plain_title(std::string_view title) {
  for (const Wording& wording : kWordings) {
    if (title.find(wording.part) != std::string_view::npos) return std::string(wording.words);
  }
  return std::string(kAnyFault);
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
    if (is_key(key) && begins_true_or_false(value)) {
      return "true and false are written out, in small letters";
    }
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
