// SPDX-License-Identifier: Apache-2.0
#include "config/toml_front.h"

#include <algorithm>
#include <exception>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "config/secret_line.h"
#include "config/syntax_fault.h"
#include "config/toml_gate.h"
#include "config/toml_value.h"

namespace millrace::config {
namespace {

Place place_of(const TomlValue& value, uint32_t file) {
  const auto location = value.location();
#if TOML11_VERSION_MAJOR >= 4
  return Place{file, static_cast<uint32_t>(location.first_line_number()),
               static_cast<uint32_t>(location.first_column_number()),
               static_cast<uint32_t>(location.length())};
#else
  return Place{file, location.line(), location.column(), location.region()};
#endif
}

SyntaxFault fault_of(const toml::syntax_error& error, [[maybe_unused]] std::string_view file) {
#if TOML11_VERSION_MAJOR >= 4
  SyntaxFault fault;
  fault.what = plain_title("");
  if (error.errors().empty()) return fault;
  const auto& first = error.errors().front();
  fault.what = plain_title(first.title());
  if (!first.locations().empty()) {
    const auto& location = first.locations().front().first;
    fault.line = static_cast<uint32_t>(location.first_line_number());
    fault.column = static_cast<uint32_t>(location.first_column_number());
    fault.width = static_cast<uint32_t>(location.length());
  }
  if (first.locations().size() > 1) {
    fault.other_line = static_cast<uint32_t>(first.locations().back().first.first_line_number());
  }
  return fault;
#else
  SyntaxFault fault = read_library_text(error.what());
  place_in_file(fault, file);
  return fault;
#endif
}

// Makes Nodes of the library's values. The gate has bounded how deep they go.
class Builder {
 public:
  Builder(uint32_t file, std::string_view text) : file_(file), text_(text) {
    for (size_t at = 0; at != std::string_view::npos;) {
      line_starts_.push_back(at);
      at = text.find('\n', at);
      if (at != std::string_view::npos) ++at;
    }
  }

  Node build(const TomlValue& value) {
    Node node;
    node.place = place_of(value, file_);
    node.key_place = node.place;
    if (value.is_table()) {
      node.kind = Node::Kind::kTable;
      build_table(value, node);
    } else if (value.is_array()) {
      node.kind = Node::Kind::kArray;
      for (const auto& element : value.as_array()) node.children.push_back(build(element));
    } else if (value.is_string()) {
      node.kind = Node::Kind::kString;
      node.text = toml::get<std::string>(value);
    } else if (value.is_integer()) {
      node.kind = Node::Kind::kInteger;
      node.integer = toml::get<std::int64_t>(value);
      node.text = written(node.place);
    } else if (value.is_floating()) {
      node.kind = Node::Kind::kNumber;
      node.number = toml::get<double>(value);
      node.text = written(node.place);
    } else if (value.is_boolean()) {
      node.kind = Node::Kind::kBoolean;
      node.boolean = toml::get<bool>(value);
    }
    return node;
  }

 private:
  void build_table(const TomlValue& value, Node& node) {
    for (const auto& [key, child] : value.as_table()) {
      Node& added = node.children.emplace_back(build(child));
      added.key = key;
      if (added.kind != Node::Kind::kTable) added.key_place = place_of_key(added);
    }
    std::sort(node.children.begin(), node.children.end(), [](const Node& a, const Node& b) {
      return std::pair(a.place.line, a.place.column) < std::pair(b.place.line, b.place.column);
    });
  }

  // A number of the file; the library bends one that is too large to the largest.
  std::string written(const Place& place) const {
    const size_t line = std::clamp<size_t>(place.line, 1, line_starts_.size()) - 1;
    const std::string_view rest = text_.substr(line_starts_[line]);
    if (place.column == 0 || place.column > rest.size()) return {};
    return std::string(rest.substr(place.column - 1, place.width));
  }

  // The library keeps no place for a key; it stands before the "=" before the value.
  Place place_of_key(const Node& node) const {
    const size_t start =
        line_starts_[std::clamp<size_t>(node.place.line, 1, line_starts_.size()) - 1];
    const std::string_view before = text_.substr(start, node.place.column - 1);
    const size_t equals = before.rfind('=');
    if (equals == std::string_view::npos) return node.place;
    const size_t end = before.find_last_not_of(" \t", equals - 1);
    if (equals == 0 || end == std::string_view::npos) return node.place;
    const size_t begin = before.find_last_of(" \t{,", end);
    Place place = node.place;
    place.column = static_cast<uint32_t>(begin == std::string_view::npos ? 1 : begin + 2);
    place.width = static_cast<uint32_t>(end + 2 - place.column);
    return place;
  }

  uint32_t file_;
  std::string_view text_;
  std::vector<size_t> line_starts_;
};

void report_fault(const SyntaxFault& fault, uint32_t number, Report& report) {
  const Place place{number, fault.line, fault.column, fault.width};
  std::string note;
  if (fault.line > 0) {
    const std::string_view line = line_of(report.file(number).text, fault.line);
    if (line_without_secret(report.file(number).text, fault.line) == line) note = syntax_hint(line);
  }
  if (note.empty() && fault.other_line > 0) {
    note = "see also line " + std::to_string(fault.other_line);
  }
  report.error(place, fault.what, note);
}

}  // namespace

std::optional<Node> parse_toml(uint32_t number, Report& report) {
  const ConfigFile& file = report.file(number);
  if (const auto fault = gate_toml(file.text)) {
    report.error(Place{number, fault->line, fault->column, 1}, fault->what);
    return std::nullopt;
  }
  try {
    std::istringstream stream(file.text);
    return Builder(number, file.text).build(read_toml(stream, file.name));
  } catch (const toml::syntax_error& error) {
    report_fault(fault_of(error, file.text), number, report);
  } catch (const BelowEmptyArray& error) {
    report.error(Place{number}, error.what());
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    report.error(Place{number}, read_library_text(error.what()).what);
  }
  return std::nullopt;
}

}  // namespace millrace::config
