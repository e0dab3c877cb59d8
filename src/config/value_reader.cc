// SPDX-License-Identifier: Apache-2.0
#include "config/value_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "config/complaint.h"
#include "config/near_match.h"
#include "config/secret_line.h"
#include "config/units.h"

namespace millrace::config {
namespace {

const char* kind_word(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kTable:
      return "a table";
    case Node::Kind::kArray:
      return "an array";
    case Node::Kind::kString:
      return "a string";
    case Node::Kind::kInteger:
      return "a whole number";
    case Node::Kind::kNumber:
      return "a number with a fraction";
    case Node::Kind::kBoolean:
      return "true or false";
    case Node::Kind::kOther:
      break;
  }
  return "a date or time";
}

const char* type_words(Type type) {
  switch (type) {
    case Type::kSize:
      return "a size";
    case Type::kDuration:
      return "a duration";
    case Type::kInteger:
      return "a whole number";
    case Type::kNumber:
      return "a number";
    case Type::kBoolean:
      return "true or false";
    case Type::kString:
      return "a string";
    case Type::kStrings:
      return "a string or an array of strings";
    case Type::kEnum:
      break;
  }
  return "one of its words in quotes";
}

std::string bound_text(Type type, uint64_t bound) {
  if (type == Type::kSize) return size_text(bound);
  if (type == Type::kDuration) return duration_text(bound);
  return std::to_string(bound);
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// The work on one option of one file.
class ValueReader {
 public:
  ValueReader(const Option& option, const Environment& environment, Report& report)
      : option_(option), environment_(environment), report_(report) {}

  std::optional<Value> read(const Node& node) {
    switch (option_.type) {
      case Type::kSize:
      case Type::kDuration:
        return read_quantity(node);
      case Type::kInteger:
        if (node.kind != Node::Kind::kInteger) return wrong_type(node);
        return in_bounds(node, 1);
      case Type::kNumber:
        return read_number(node);
      case Type::kBoolean:
        if (node.kind != Node::Kind::kBoolean) return wrong_type(node);
        return Value(node.boolean);
      case Type::kString:
        return read_string(node);
      case Type::kStrings:
        return read_strings(node);
      case Type::kEnum:
        return read_word(node);
    }
    return std::nullopt;
  }

 private:
  std::nullopt_t refuse(const Node& node, const std::string& what, std::string note) {
    report_.error(node.place, fmt::format("{} {}", option_.name, what), std::move(note));
    return std::nullopt;
  }
  std::nullopt_t refuse(const Node& node, const std::string& what) {
    return refuse(node, what, "allowed: " + allowed_text(option_));
  }
  std::nullopt_t wrong_type(const Node& node) {
    return refuse(node,
                  fmt::format("needs {}, not {}", type_words(option_.type), kind_word(node.kind)));
  }

  // How the value is named in a message.
  std::string shown(const std::string& value) const {
    const bool hidden = option_.secret || may_hold_user(option_, value);
    return hidden ? "(not shown)" : "\"" + value + "\"";
  }

  std::optional<std::string> expanded(const Node& node) {
    Result<std::string> text = expand(node.text, environment_);
    if (text) return *std::move(text);
    return refuse(node, "cannot be read: " + text.error().message, "");
  }

  std::optional<Value> in_bounds(const Node& node, uint64_t factor) {
    uint64_t value = 0;
    if (node.integer < 0 ||
        __builtin_mul_overflow(static_cast<uint64_t>(node.integer), factor, &value) ||
        value < option_.min || value > option_.max) {
      return refuse(node, "is out of range: " + node.text);
    }
    return Value(value);
  }

  std::optional<Value> read_quantity(const Node& node) {
    if (node.kind == Node::Kind::kInteger) {
      return in_bounds(node, option_.type == Type::kDuration ? 1000 : 1);
    }
    if (node.kind != Node::Kind::kString) return wrong_type(node);
    const auto text = expanded(node);
    if (!text) return std::nullopt;
    auto value = value_from_text(option_, *text);
    if (!value)
      return refuse(node, fmt::format("is not {}: \"{}\"", type_words(option_.type), *text));
    const uint64_t number = std::get<uint64_t>(*value);
    if (number < option_.min || number > option_.max) {
      return refuse(node, fmt::format("is out of range: \"{}\"", *text));
    }
    return value;
  }

  std::optional<Value> read_number(const Node& node) {
    const bool whole = node.kind == Node::Kind::kInteger;
    if (!whole && node.kind != Node::Kind::kNumber) return wrong_type(node);
    const double value = whole ? static_cast<double>(node.integer) : node.number;
    // Written so that NaN is refused too.
    if (!(value >= static_cast<double>(option_.min) && value <= static_cast<double>(option_.max))) {
      return refuse(node, "is out of range: " + node.text);
    }
    return Value(value);
  }

  bool secret_is_safe(const Node& node) {
    if (!option_.secret || !report_.file(node.place.file).world_readable) return true;
    const std::string literal = literal_part(node.text);
    // A proxy's address without a user is no secret.
    const bool is_url = option_.complaint == proxy_url_complaint;
    if (literal.empty() || (is_url && literal.find('@') == std::string::npos)) return true;
    const std::string& name = report_.file(node.place.file).name;
    refuse(node, "is a secret, and every user of this machine can read " + name,
           fmt::format("chmod 0640 {} mends it; so does a value from the environment: {} = "
                       "\"${{NAME}}\"",
                       name, option_.name));
    return false;
  }

  std::optional<std::string> checked_string(const Node& node) {
    if (node.kind != Node::Kind::kString) return wrong_type(node);
    if (!secret_is_safe(node)) return std::nullopt;
    auto text = expanded(node);
    if (!text) return std::nullopt;
    const size_t length = characters(*text);
    if (length < option_.min) return refuse(node, "is empty");
    if (length > option_.max)
      return refuse(node, fmt::format("is too long: {} characters", length));
    const char* const complaint = option_.complaint ? option_.complaint(*text) : nullptr;
    if (complaint != nullptr)
      return refuse(node, fmt::format("{}: {}", complaint, shown(*text)), "");
    return text;
  }

  std::optional<Value> read_string(const Node& node) {
    auto text = checked_string(node);
    if (!text) return std::nullopt;
    return Value(*std::move(text));
  }

  std::optional<Value> read_strings(const Node& node) {
    std::vector<std::string> texts;
    if (node.kind != Node::Kind::kArray) {
      auto text = checked_string(node);
      if (!text) return std::nullopt;
      texts.push_back(*std::move(text));
      return Value(std::move(texts));
    }
    if (node.children.empty()) return refuse(node, "is an empty array", "");
    for (const Node& element : node.children) {
      if (auto text = checked_string(element)) texts.push_back(*std::move(text));
    }
    if (texts.size() != node.children.size()) return std::nullopt;
    return Value(std::move(texts));
  }

  std::optional<Value> read_word(const Node& node) {
    if (node.kind != Node::Kind::kString) return wrong_type(node);
    const auto text = expanded(node);
    if (!text) return std::nullopt;
    auto value = value_from_text(option_, *text);
    if (value) return value;
    const std::vector<std::string> words(option_.words.begin(), option_.words.end());
    const std::string near = near_match(*text, words);
    refuse(node, fmt::format("does not know \"{}\"{}", *text,
                             near.empty() ? "" : fmt::format("; is \"{}\" meant?", near)));
    return std::nullopt;
  }

  const Option& option_;
  const Environment& environment_;
  Report& report_;
};

}  // namespace

std::optional<Value> read_value(const Option& option, const Node& node,
                                const Environment& environment, Report& report) {
  return ValueReader(option, environment, report).read(node);
}

std::string allowed_text(const Option& option) {
  std::string bounds = option.max == std::numeric_limits<uint64_t>::max()
                           ? fmt::format("at least {}", bound_text(option.type, option.min))
                           : fmt::format("{} to {}", bound_text(option.type, option.min),
                                         bound_text(option.type, option.max));
  switch (option.type) {
    case Type::kSize:
      return fmt::format("{}; {}", kSizeForms, bounds);
    case Type::kDuration:
      return fmt::format("{}; {}", kDurationForms, bounds);
    case Type::kInteger:
    case Type::kNumber:
      return bounds;
    case Type::kBoolean:
      return "true, false";
    case Type::kString:
      return fmt::format("a string of {} characters", bounds);
    case Type::kStrings:
      return fmt::format("a string of {} characters, or an array of such strings", bounds);
    case Type::kEnum:
      break;
  }
  std::string words;
  for (const char* const word : option.words) {
    words += fmt::format("{}\"{}\"", words.empty() ? "" : ", ", word);
  }
  return words;
}

}  // namespace millrace::config
