// SPDX-License-Identifier: Apache-2.0
#pragma once

// A configuration made of any bytes: the text of a file that has nothing wrong with it but at most
// one option, and the model that it means. The bytes choose which sections and options there are,
// their values within the bounds of the option table, and how they are written. Rules between
// options (validate.h) are not kept.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "config/model.h"
#include "config/option.h"

namespace millrace::testing {

class WrittenConfig {
 public:
  explicit WrittenConfig(std::string_view bytes) : bytes_(bytes) {
    fault_in_ = take();
    if (take() % 4 != 0) write("system", &config_.system, "");
    for (int left = take() % 3; left > 0; --left) {
      config_.sources.emplace_back().id.clear();
      write("source", &config_.sources.back(), "forward");
    }
    for (int left = take() % 3; left > 0; --left) {
      config_.matches.emplace_back().id.clear();
      write("match", &config_.matches.back(), take() % 2 == 0 ? "local" : "kinesis_aggregation");
    }
  }

  const std::string& text() const { return text_; }
  const config::Config& config() const { return config_; }
  bool has_fault() const { return has_fault_; }

 private:
  using Option = config::Option;
  using Section = config::Section;
  using Type = config::Type;
  using Value = config::Value;

  uint8_t take() {
    if (bytes_.empty()) return 0;
    bytes_.remove_prefix(1);
    return static_cast<uint8_t>(bytes_.data()[-1]);
  }

  std::string take_bytes() {
    const size_t size = take() % 64;
    std::string out(bytes_.substr(0, size));
    bytes_.remove_prefix(out.size());
    return out;
  }

  void write(const std::string& path, void* object, std::string_view type) {
    text_ += config::header_text(path) + "\n";
    for (const Section& section : config::sections()) {
      if (path != section.path || (section.type[0] != '\0' && section.type != type)) continue;
      for (const Option& option : section.options) {
        const bool is_type = !type.empty() && option.name == std::string_view("type");
        if (is_type) {
          set(option, object, word_index(option, type), '"' + std::string(type) + '"');
        } else if (option.required || take() % 3 == 1) {
          write(option, object);
        }
      }
    }
    for (const Section& section : config::sections()) {
      const std::string_view below = section.path;
      const bool is_below = below.starts_with(path + ".") && below.rfind('.') == path.size();
      if (!is_below) continue;
      for (int left = take() % (section.list ? 3 : 2); left > 0; --left) {
        write(section.path, section.open != nullptr ? section.open(object) : object, "");
      }
    }
  }

  static uint64_t word_index(const Option& option, std::string_view word) {
    return static_cast<uint64_t>(std::find(option.words.begin(), option.words.end(), word) -
                                 option.words.begin());
  }

  void write(const Option& option, void* object) {
    if (!option.required && --fault_in_ == 0) return write_fault(option);
    switch (option.type) {
      case Type::kSize:
      case Type::kDuration:
      case Type::kInteger: {
        const uint64_t value = quantity(option);
        return set(option, object, value, written(option.type, value));
      }
      case Type::kNumber: {
        const auto least = static_cast<double>(option.min);
        const double value = least + (static_cast<double>(option.max) - least) * take() / 255;
        char text[32];
        std::snprintf(text, sizeof text, "%.17g", value);
        return set(option, object, value, text);
      }
      case Type::kBoolean: {
        const bool value = take() % 2 != 0;
        return set(option, object, value, value ? "true" : "false");
      }
      case Type::kString: {
        const std::string value = string(option);
        return set(option, object, value, quoted(value));
      }
      case Type::kStrings: {
        std::vector<std::string> values{string(option)};
        std::string text = quoted(values[0]);
        for (int left = take() % 4; left > 0; --left) {
          values.push_back(string(option));
          text += ", " + quoted(values.back());
        }
        return set(option, object, values, values.size() == 1 ? text : "[" + text + "]");
      }
      case Type::kEnum: {
        const uint64_t value = take() % option.words.size();
        std::string word = option.words[value];
        if (take() % 2 == 0) std::replace(word.begin(), word.end(), '_', '-');
        return set(option, object, value, '"' + word + '"');
      }
    }
  }

  // Of this option there is nothing in the model.
  void write_fault(const Option& option) {
    has_fault_ = true;
    text_ += option.name;
    if (take() % 2 == 0) {
      text_ += "_ = 1\n";
    } else {
      text_ += " = 1979-05-27\n";
    }
  }

  void set(const Option& option, void* object, const Value& value, const std::string& text) {
    option.set(object, value);
    text_ += option.name + std::string(" = ") + text;
    if (take() % 8 == 7) text_ += " # " + marks() + "\"'" + printable(take_bytes());
    text_ += '\n';
  }

  uint64_t quantity(const Option& option) {
    const uint8_t choice = take();
    if (choice % 4 == 0) return option.min;
    if (choice % 4 == 1) return option.max;
    uint64_t value = 0;
    for (int i = 0; i < 7; ++i) value = value << 8 | take();
    // Often a round one.
    const uint64_t unit = choice % 4 == 2 ? 1 : option.type == Type::kSize ? 1 << 10 : 1000;
    value = option.min + value % (option.max - option.min + 1);
    return std::max(option.min, value / unit * unit);
  }

  std::string written(Type type, uint64_t value) {
    struct Unit {
      const char* suffix;
      uint64_t factor;
    };
    static constexpr Unit kSizes[] = {{"", 1},        {"k", 1 << 10}, {"K", 1 << 10},
                                      {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1ULL << 40}};
    static constexpr Unit kTimes[] = {{"ms", 1},     {"s", 1000},      {"", 1000},
                                      {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
    const Unit& chosen = (type == Type::kSize ? kSizes : kTimes)[take() % 6];
    const bool fits = value % chosen.factor == 0;
    if (type == Type::kInteger || (type == Type::kSize && !fits)) return std::to_string(value);
    const Unit& unit = fits ? chosen : kTimes[0];
    const std::string number = std::to_string(value / unit.factor);
    const bool bare = unit.suffix[0] == '\0' && take() % 2 == 0;
    return bare ? number : '"' + number + unit.suffix + '"';
  }

  std::string string(const Option& option) {
    std::string value = utf8_repaired(take_bytes());
    if (value.starts_with('[')) value += '"' + marks();
    const bool fits = value.size() >= option.min && value.size() <= option.max;
    const bool fine = fits && (option.complaint == nullptr || option.complaint(value) == nullptr);
    if (fine) return value;
    const std::string known = option.default_text[0] != '\0' ? option.default_text : option.example;
    return known.find('$') == std::string::npos && !known.empty() ? known : "x";
  }

  // More than the gate lets pass outside of strings and comments.
  static std::string marks() { return std::string(70, '[') + std::string(70, '.'); }

  static std::string printable(const std::string& bytes) {
    std::string out = utf8_repaired(bytes);
    std::replace_if(out.begin(), out.end(), is_control, ' ');
    return out;
  }

  static bool is_control(char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; }

  // One of TOML's four forms of a string.
  std::string quoted(std::string value) {
    for (size_t at = 0; (at = value.find("${", at)) != std::string::npos; at += 3) {
      value.insert(at, 1, '$');
    }
    const bool one_line = std::none_of(value.begin(), value.end(), is_control);
    const uint8_t form = take() % 4;
    if (form == 2 && one_line && value.find('\'') == std::string::npos) return "'" + value + "'";
    if (form == 3 && one_line && value.find('\'') == std::string::npos) {
      return "'''\n" + value + "'''";
    }
    std::string out;
    for (const char c : value) {
      if (c == '"' || c == '\\') {
        out += std::string("\\") + c;
      } else if (is_control(c) && !(c == '\n' && form == 1)) {
        char text[8];
        std::snprintf(text, sizeof text, "\\u%04X", static_cast<unsigned>(c));
        out += text;
      } else {
        out += c;
      }
    }
    return form == 1 ? "\"\"\"\n" + out + "\"\"\"" : '"' + out + '"';
  }

  std::string_view bytes_;  // not used yet
  int fault_in_ = 0;        // options until the one that is wrong
  bool has_fault_ = false;
  std::string text_;
  config::Config config_;
};

}  // namespace millrace::testing
