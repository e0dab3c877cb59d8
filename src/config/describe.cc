// SPDX-License-Identifier: Apache-2.0
#include "config/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "config/option.h"
#include "config/value_reader.h"

namespace millrace::config {
namespace {

constexpr size_t kColumns = 100;

bool in_quotes(Type type) {
  return type != Type::kInteger && type != Type::kNumber && type != Type::kBoolean;
}

// The option as a line of TOML: with its default, or the example where there is none.
std::string assignment(const Option& option) {
  const char* const text = option.default_text[0] != '\0' ? option.default_text : option.example;
  const char* const quote = in_quotes(option.type) ? "\"" : "";
  return fmt::format("{} = {}{}{}", option.name, quote, text, quote);
}

// `text` in lines of `prefix` and at most kColumns characters.
std::string wrapped(std::string_view text, const std::string& prefix) {
  std::string out;
  while (!text.empty()) {
    size_t end = text.size();
    if (prefix.size() + end > kColumns) {
      end = text.rfind(' ', kColumns - prefix.size());
      if (end == std::string_view::npos) end = text.size();
    }
    out += fmt::format("{}{}\n", prefix, text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

constexpr const char* kHead =
    R"(# The configuration of millrace, as it is installed: agents on this machine send to
# 127.0.0.1:24224, and what they send is written to files that `millrace decode` reads.
#
# `millrace check` looks for mistakes; `systemctl restart millrace` applies a change.
# Lines that begin with "# name = value" show the default, or an example where there is none.
# Sizes are "300k", "64m", "8g", "1t" or whole bytes; durations "200ms", "5s", "1m", "72h", "1d" or
# whole seconds. ${NAME} and ${NAME:-default} in a string are taken from the environment.

# Further files, relative to this one. Their [[source]] and [[match]] come after those of this file.
# include = ["conf.d/*.toml"]
)";

constexpr const char* kToKinesis = R"(
# To send to Kinesis, take the "# " away from the next four lines. The first [[match]] whose pattern
# fits a tag gets the event; the one below takes the rest. All its options, and a [match.buffer] of
# its own, work here too.
)";

constexpr const char* kSecondary = R"(
  # Where chunks go that are given up, instead of dead/ in the buffer: take the "# " away from the
  # next two lines.
)";

constexpr const char* kSecurity = R"(
  # To take events only from clients that know a key, take the "# " away from the next two lines,
  # and from those of the users and clients that are needed.
)";

struct Template {
  const char* path;
  const char* type;
  const char* before;  // text between the sections
  enum class Form : uint8_t {
    kLive,     // the table is there, with what is required
    kComment,  // all of it is in comments
    kExtract,  // in comments, and without the options of every type, which another table tells
  } form;
};

constexpr Template kTemplates[] = {
    {"system", "", "", Template::Form::kLive},
    {"system.log", "", "", Template::Form::kLive},
    {"source", "", "", Template::Form::kLive},
    {"source.security", "", kSecurity, Template::Form::kComment},
    {"source.security.user", "", "", Template::Form::kComment},
    {"source.security.client", "", "", Template::Form::kComment},
    {"match", "kinesis_aggregation", kToKinesis, Template::Form::kExtract},
    {"match", "local", "", Template::Form::kLive},
    {"match.buffer", "", "", Template::Form::kLive},
    {"match.secondary", "", kSecondary, Template::Form::kComment},
};

// Options of a section and those of its type; the required ones of a live table are no comments.
class SectionWriter {
 public:
  explicit SectionWriter(const Template& form) : form_(form) {}

  std::string write() {
    const std::string_view path = form_.path;
    indent_.assign(2 * static_cast<size_t>(std::count(path.begin(), path.end(), '.')), ' ');
    out_ += form_.before;
    out_ += fmt::format("\n{}{}{}\n", indent_, live() ? "" : "# ", header_text(path));
    for (const bool required : {true, false}) {
      for (const Section& section : sections()) {
        if (path == section.path) write_options(section, required);
      }
    }
    return out_;
  }

 private:
  void write_options(const Section& section, bool required) {
    const bool of_type = section.type[0] != '\0' && section.type == std::string_view(form_.type);
    const bool common = section.type[0] == '\0';
    if (!of_type && !common) return;
    for (const Option& option : section.options) {
      if (option.required != required || (common && extract() && !required)) continue;
      write_option(option);
    }
  }

  void write_option(const Option& option) {
    if (!in_heading(option)) {
      out_ += "\n" + wrapped(option.help, indent_ + "# ");
    }
    std::string line = assignment(option);
    const std::string_view name = option.name;
    if (name == "type" && form_.type[0] != '\0') line = fmt::format("type = \"{}\"", form_.type);
    if (name == "pattern" && extract()) line = "pattern = \"app.**\"";
    const bool shown = live() && (option.required || option.shown);
    out_ += fmt::format("{}{}{}\n", indent_, shown ? "" : "# ", line);
  }

  bool live() const { return form_.form == Template::Form::kLive; }
  bool extract() const { return form_.form == Template::Form::kExtract; }
  // Told by the text before the table, and to be taken into use with its header.
  bool in_heading(const Option& option) const { return option.required && form_.before[0] != '\0'; }

  const Template& form_;
  std::string indent_;
  std::string out_;
};

}  // namespace

std::string describe_toml() {
  std::string out = kHead;
  for (const Template& form : kTemplates) out += SectionWriter(form).write();
  return out;
}

std::string describe_text() {
  std::string out;
  for (const Section& section : sections()) {
    out += fmt::format("{}{}{}{}\n", out.empty() ? "" : "\n", header_text(section.path),
                       section.type[0] == '\0' ? "" : " of type ", section.type);
    for (const Option& option : section.options) {
      std::string facts = allowed_text(option);
      if (option.required) facts += "; required";
      if (option.default_text[0] != '\0') facts += fmt::format("; default {}", option.default_text);
      if (option.secret) facts += "; secret";
      out += fmt::format("  {}\n", option.name) + wrapped(option.help, "      ") +
             wrapped(facts, "      ");
    }
  }
  return out;
}

}  // namespace millrace::config
