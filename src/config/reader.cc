// SPDX-License-Identifier: Apache-2.0
#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "config/near_match.h"
#include "config/option.h"
#include "config/value_reader.h"

namespace millrace::config {
namespace {

// "match.buffer" of the table "match" and the key "buffer"; nothing if it is no section.
const Section* find_section(std::string_view path) {
  for (const Section& section : sections()) {
    if (section.path == path) return &section;
  }
  return nullptr;
}

bool is_list_of_tables(const Node& node) {
  return node.kind == Node::Kind::kArray && !node.children.empty() &&
         std::all_of(node.children.begin(), node.children.end(),
                     [](const Node& child) { return child.kind == Node::Kind::kTable; });
}

// One table of a file with its sub-tables, written into one object of the model and those in it.
// Options of a sub-table are named in the origin with `prefix` before them, "buffer." or, of the
// second of several, "security.user.1.".
class TableReader {
 public:
  TableReader(const Environment& environment, Report& report, void* object, Origin& origin,
              std::string prefix = {})
      : environment_(environment),
        report_(report),
        object_(object),
        origin_(origin),
        prefix_(std::move(prefix)) {}

  void read(const Node& table, const std::string& path) {
    for (const Node& child : table.children) read_child(child, path);
    for (const Section& section : sections()) {
      const bool of_type = section.type[0] == '\0' || origin_.type == section.type;
      if (path != section.path || !of_type) continue;
      for (const Option& option : section.options) require(option, table, path);
    }
  }

  // Finds the type before anything else, since it decides which options exist.
  void read_type(const Node& table, const std::string& path) {
    for (const Node& child : table.children) {
      if (child.key != "type" || child.kind != Node::Kind::kString) continue;
      for (const Option& option : find_section(path)->options) {
        if (child.key != option.name) continue;
        const auto text = expand(child.text, environment_);
        const auto value = text ? value_from_text(option, *text) : std::nullopt;
        if (value) origin_.type = option.words[std::get<uint64_t>(*value)];
      }
    }
  }

 private:
  // Of a table whose type is missing or wrong every option counts as known.
  bool applies(const Section& section) const {
    return section.type[0] == '\0' || origin_.type.empty() || origin_.type == section.type;
  }

  void read_child(const Node& child, const std::string& path) {
    const Section* other_type = nullptr;
    for (const Section& section : sections()) {
      if (path != section.path) continue;
      for (const Option& option : section.options) {
        if (child.key != option.name) continue;
        if (applies(section)) return read_option(option, child, path);
        other_type = &section;
      }
    }
    const std::string sub_path = path + "." + child.key;
    if (const Section* const section = find_section(sub_path)) {
      return section->list ? read_sub_tables(child, *section) : read_sub_table(child, *section);
    }
    if (other_type != nullptr) {
      report_.error_of_key(
          child.key_place,
          fmt::format("{} is an option of type \"{}\"; this {} is of type \"{}\"", child.key,
                      other_type->type, header_text(path), origin_.type));
      return;
    }
    report_unknown(child, path);
  }

  void read_option(const Option& option, const Node& child, const std::string& path) {
    origin_.options[prefix_ + child.key] = child.place;
    const auto value = read_value(option, child, environment_, report_);
    if (!value) return;
    option.set(object_, *value);
    if (path == "match" && option.type == Type::kStrings) {
      if (child.kind != Node::Kind::kArray) origin_.patterns.push_back(child.place);
      for (const Node& element : child.children) origin_.patterns.push_back(element.place);
    }
  }

  void read_sub_table(const Node& child, const Section& section) {
    if (child.kind != Node::Kind::kTable) {
      report_.error_of_key(child.key_place, fmt::format("{} is a table; write it as {}", child.key,
                                                        header_text(section.path)));
      return;
    }
    read_below(child, section, prefix_ + child.key);
  }

  void read_sub_tables(const Node& child, const Section& section) {
    if (!is_list_of_tables(child)) {
      report_.error_of_key(
          child.key_place,
          fmt::format("{} is a list of tables; write each as {}, with two brackets", child.key,
                      header_text(section.path)));
      return;
    }
    for (size_t i = 0; i < child.children.size(); ++i) {
      read_below(child.children[i], section, fmt::format("{}{}.{}", prefix_, child.key, i));
    }
  }

  void read_below(const Node& table, const Section& section, const std::string& name) {
    origin_.options[name] = table.place;
    void* const object = section.open != nullptr ? section.open(object_) : object_;
    TableReader(environment_, report_, object, origin_, name + ".").read(table, section.path);
  }

  void report_unknown(const Node& child, const std::string& path) {
    std::vector<std::string> words;
    std::string home;
    for (const Section& section : sections()) {
      const bool here = path == section.path && applies(section);
      for (const Option& option : section.options) {
        if (here) words.push_back(option.name);
        if (child.key == option.name && home.empty()) home = header_text(section.path);
      }
      const std::string_view section_path = section.path;
      if (section_path.size() > path.size() && section_path.substr(0, path.size()) == path &&
          section_path[path.size()] == '.' && section_path.rfind('.') == path.size()) {
        words.emplace_back(section_path.substr(path.size() + 1));
      }
    }
    std::string note;
    if (!home.empty()) {
      note = fmt::format("{} is an option of {}", child.key, home);
    } else if (!child.key.empty() && child.key.front() == '@') {
      note = fmt::format("write it without @: {}", child.key.substr(1));
    } else if (const std::string near = near_match(child.key, words); !near.empty()) {
      note = fmt::format("is {} meant?", near);
    }
    report_.error_of_key(child.key_place,
                         fmt::format("{} is not an option of {}", child.key, header_text(path)),
                         note);
  }

  void require(const Option& option, const Node& table, const std::string& path) {
    if (!option.required || origin_.has(prefix_ + option.name)) return;
    report_.error(table.place, fmt::format("{} has no {}", header_text(path), option.name),
                  fmt::format("{} = \"{}\": {}", option.name, option.example, option.help));
  }

  const Environment& environment_;
  Report& report_;
  void* object_;
  Origin& origin_;
  std::string prefix_;
};

// One file's root.
class DocumentReader {
 public:
  DocumentReader(const Environment& environment, Draft& draft, Report& report)
      : environment_(environment), draft_(draft), report_(report) {}

  void read(const Node& root) {
    for (const Node& child : root.children) {
      if (child.key == "system") {
        read_system(child);
      } else if (child.key == "source") {
        read_tables(child, "source", draft_.config.sources, draft_.origins.sources);
      } else if (child.key == "match") {
        read_tables(child, "match", draft_.config.matches, draft_.origins.matches);
      } else if (child.key != "include") {
        report_unknown(child);
      }
    }
  }

 private:
  void read_system(const Node& node) {
    Origins& origins = draft_.origins;
    if (node.kind != Node::Kind::kTable) {
      draft_.whole = false;
      report_.error(node.key_place, "system is a table; write it as [system]");
    } else if (origins.has_system) {
      report_.error(node.place, "[system] is defined twice",
                    "the first time in " + report_.where(origins.system.place));
    } else {
      origins.has_system = true;
      origins.system.place = node.place;
      TableReader(environment_, report_, &draft_.config.system, origins.system)
          .read(node, "system");
    }
  }

  template <class Struct>
  void read_tables(const Node& node, const std::string& path, std::vector<Struct>& objects,
                   std::vector<Origin>& origins) {
    if (!is_list_of_tables(node)) {
      draft_.whole = false;
      report_.error(
          node.key_place,
          fmt::format("{0} is a list of tables; write each as [[{0}]], with two brackets", path));
      return;
    }
    for (const Node& table : node.children) {
      Struct& object = objects.emplace_back();
      object.id.clear();
      Origin& origin = origins.emplace_back();
      origin.place = table.place;
      TableReader reader(environment_, report_, &object, origin);
      reader.read_type(table, path);
      reader.read(table, path);
    }
  }

  void report_unknown(const Node& child) {
    std::string note;
    for (const Section& section : sections()) {
      for (const Option& option : section.options) {
        if (child.key == option.name && note.empty()) {
          note = fmt::format("{} is an option of {}", child.key, header_text(section.path));
        }
      }
    }
    const std::vector<std::string> words = {"system", "source", "match", "include"};
    const std::string near = near_match(child.key, words);
    if (note.empty() && !near.empty()) {
      note = fmt::format("is {} meant?", near == "include" ? near : header_text(near));
    }
    if (note.empty()) note = "known here: [system], [[source]], [[match]], include";
    draft_.whole = false;
    report_.error_of_key(child.key_place,
                         fmt::format("{} is not known at the top level", child.key), note);
  }

  const Environment& environment_;
  Draft& draft_;
  Report& report_;
};

}  // namespace

void read_document(const Node& root, const Environment& environment, Draft& draft, Report& report) {
  DocumentReader(environment, draft, report).read(root);
}

std::vector<IncludePattern> read_include(const Node& root, const Environment& environment,
                                         Report& report) {
  static constexpr Option kInclude = {
      .name = "include",
      .type = Type::kStrings,
      .min = 1,
      .max = 4096,
      .help = "Further files, relative to this one; * and ? stand for any names.",
      .set = [](void* object, const Value& value) {
        *static_cast<std::vector<std::string>*>(object) = std::get<std::vector<std::string>>(value);
      }};
  std::vector<IncludePattern> patterns;
  for (const Node& child : root.children) {
    if (child.key != "include") continue;
    const auto value = read_value(kInclude, child, environment, report);
    if (!value) continue;
    const auto& texts = std::get<std::vector<std::string>>(*value);
    for (size_t i = 0; i < texts.size(); ++i) {
      const bool array = child.kind == Node::Kind::kArray;
      patterns.push_back({texts[i], array ? child.children[i].place : child.place});
    }
  }
  return patterns;
}

}  // namespace millrace::config
