// SPDX-License-Identifier: Apache-2.0
#include "config/option.h"

#include <array>
#include <charconv>

#include "config/options.h"
#include "config/units.h"

namespace millrace::config {
namespace {

// Words are the same with - and with _.
bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if ((a[i] == '-' ? '_' : a[i]) != b[i]) return false;
  }
  return true;
}

std::optional<Value> word_index(const Option& option, std::string_view text) {
  for (size_t i = 0; i < option.words.size(); ++i) {
    if (same_word(text, option.words[i])) return Value(uint64_t{i});
  }
  return std::nullopt;
}

template <class Number>
std::optional<Value> number(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return Value(value);
}

std::optional<Value> as_value(std::optional<uint64_t> parsed) {
  if (!parsed) return std::nullopt;
  return Value(*parsed);
}

}  // namespace

std::optional<Value> value_from_text(const Option& option, std::string_view text) {
  switch (option.type) {
    case Type::kSize:
      return as_value(parse_size(text));
    case Type::kDuration:
      return as_value(parse_duration_ms(text));
    case Type::kInteger:
      return number<uint64_t>(text);
    case Type::kNumber:
      return number<double>(text);
    case Type::kBoolean:
      if (text != "true" && text != "false") return std::nullopt;
      return Value(text == "true");
    case Type::kString:
      return Value(std::string(text));
    case Type::kStrings:
      return Value(std::vector<std::string>{std::string(text)});
    case Type::kEnum:
      return word_index(option, text);
  }
  return std::nullopt;
}

std::span<const Section> sections() {
  static const std::array kSections = {
      Section{"system", "", system_options()},
      Section{"system.log", "", system_log_options()},
      Section{"source", "", source_options(), true},
      Section{"source.security", "", security_options(), false, open_security},
      Section{"source.security.user", "", security_user_options(), true, open_security_user},
      Section{"source.security.client", "", security_client_options(), true, open_security_client},
      Section{"match", "", match_options(), true},
      Section{"match", "kinesis_aggregation", kinesis_options(), true},
      Section{"match", "local", local_options(), true},
      Section{"match.buffer", "", buffer_options()},
      Section{"match.secondary", "", secondary_options(), false, open_secondary},
  };
  return kSections;
}

std::string header_text(std::string_view path) {
  for (const Section& section : sections()) {
    if (path == section.path && section.list) return "[[" + std::string(path) + "]]";
  }
  return "[" + std::string(path) + "]";
}

}  // namespace millrace::config
