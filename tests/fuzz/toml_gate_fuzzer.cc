// SPDX-License-Identifier: Apache-2.0
// A whole configuration file from a stranger: the gate, the TOML library behind it, the option
// table, the checks, and the text of the errors. Nothing may crash, and a file that loads keeps to
// the bounds of the table. What is small and flat by a count that knows no strings passes the gate;
// what passes it and the library comes out as the library's tree. The same bytes as the choices of
// somebody who writes a right file, with at most one wrong option: it reads as the model that was
// meant, with an error for that option and no other.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

#include "base/check.h"
#include "base/utf8.h"
#include "config/reader.h"
#include "config/report.h"
#include "config/toml_front.h"
#include "config/toml_gate.h"
#include "config/toml_value.h"
#include "config/validate.h"
#include "tests/support/written_config.h"

using namespace millrace::config;  // NOLINT

namespace {

std::optional<std::string> environment(const std::string& name) {
  if (name == "A") return "value";
  return std::nullopt;
}

bool is_text(const std::string& text) {
  return millrace::utf8_valid(text) && std::none_of(text.begin(), text.end(), [](char c) {
           return (c >= 0 && c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
         });
}

// Whatever of it stands in strings and comments; brackets close only where there are none.
bool is_flat(const std::string& text) {
  const bool is_bare = text.find_first_of("\"'#") == std::string::npos;
  size_t depth = 0;
  size_t dots = 0;
  size_t line_bytes = 0;
  size_t values = 0;
  for (const char c : text) {
    const bool opens = c == '[' || c == '{';
    const bool closes = is_bare && (c == ']' || c == '}');
    if (opens) ++depth;
    if (closes && depth > 0) --depth;
    if (opens || c == '=' || c == ',') ++values;
    line_bytes = c == '\n' ? 0 : line_bytes + 1;
    dots = c == '\n' ? 0 : dots + (c == '.' ? 1 : 0);
    if (depth > kBracketDepthMax || dots > kDotsPerLineMax) return false;
    if (line_bytes > kLineBytesMax || values > kValuesMax) return false;
  }
  return true;
}

void check_gate(const std::string& text) {
  const bool passes = !gate_toml(text);
  CHECK(!passes || is_text(text));
  CHECK(passes || !is_text(text) || !is_flat(text));
}

bool is_same(const Node& node, const TomlValue& value) {
  if (value.is_table() || value.is_array()) {
    const bool is_table = value.is_table();
    const size_t size = is_table ? value.as_table().size() : value.as_array().size();
    if (node.kind != (is_table ? Node::Kind::kTable : Node::Kind::kArray)) return false;
    if (node.children.size() != size) return false;
    for (size_t i = 0; i < size; ++i) {
      const Node& child = node.children[i];
      if (is_table && !value.contains(child.key)) return false;
      if (!is_same(child, is_table ? value.at(child.key) : value.at(i))) return false;
    }
    return true;
  }
  switch (node.kind) {
    case Node::Kind::kString:
      return value.is_string() && toml::get<std::string>(value) == node.text;
    case Node::Kind::kInteger:
      return value.is_integer() && value.as_integer() == node.integer;
    case Node::Kind::kNumber:
      return value.is_floating() &&
             std::bit_cast<uint64_t>(value.as_floating()) == std::bit_cast<uint64_t>(node.number);
    case Node::Kind::kBoolean:
      return value.is_boolean() && value.as_boolean() == node.boolean;
    case Node::Kind::kTable:
    case Node::Kind::kArray:
      return false;
    case Node::Kind::kOther:
      break;
  }
  return !value.is_string() && !value.is_integer() && !value.is_floating() && !value.is_boolean();
}

// A file that is no TOML is told in words of ours, and once.
void check_fault(const Report& report) {
  CHECK(report.error_count() == 1);
  const std::string what = report.errors().front().what;
  CHECK(!what.empty() && what.find("toml::") == std::string::npos);
  CHECK(what.find("[error]") == std::string::npos && what.find('\n') == std::string::npos);
}

// The library alone, of a text that passes the gate.
void check_tree(const std::string& text, const std::optional<Node>& root) {
  std::optional<TomlValue> expected;
  try {
    std::istringstream stream(text);
    expected = read_toml(stream, "f.toml");
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): it is told by `expected`
  }
  CHECK(root.has_value() == expected.has_value());
  if (root) CHECK(is_same(*root, *expected));
}

void check_any(const std::string& text) {
  Report report;
  const bool world_readable = text.ends_with('\n');
  const uint32_t file = report.add_file({"f.toml", text, world_readable});
  LoadOptions options;
  options.environment = environment;
  Draft draft;
  check_gate(text);
  const auto root = parse_toml(file, report);
  if (!gate_toml(text)) check_tree(text, root);
  if (root) {
    CHECK(!gate_toml(text) && report.error_count() == 0);
    read_document(*root, options.environment, draft, report);
    for (const IncludePattern& pattern : read_include(*root, options.environment, report)) {
      CHECK(!pattern.text.empty());
    }
    fill_ids(draft);
    validate(draft, options, report);
  } else {
    check_fault(report);
  }
  const std::string printed = problems_text(report.errors()) + problems_text(report.warnings());
  for (const char c : printed) {
    CHECK(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20);
  }
  CHECK(draft.config.system.workers >= 1 && draft.config.system.workers <= 64);
  for (const Match& match : draft.config.matches) {
    CHECK(match.format.record_limit >= (64 << 10) && match.buffer.flush_thread_count >= 1);
  }
}

void check_written(std::string_view bytes) {
  const millrace::testing::WrittenConfig written(bytes);
  Report report;
  const uint32_t file = report.add_file({"f.toml", written.text(), false});
  check_gate(written.text());
  const auto root = parse_toml(file, report);
  CHECK(root.has_value());
  Draft draft;
  read_document(*root, environment, draft, report);
  CHECK(report.error_count() == (written.has_fault() ? 1 : 0));
  CHECK(draft.config == written.config());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  check_any(bytes);
  check_written(bytes);
  return 0;
}
