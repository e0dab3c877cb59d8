// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include <algorithm>
#include <utility>

#include "config/include.h"
#include "config/reader.h"
#include "config/toml_front.h"
#include "config/validate.h"

namespace millrace::config {
namespace {

class Loader {
 public:
  Loader(const std::string& path, const LoadOptions& options) : path_(path), options_(options) {}

  tl::expected<Loaded, Refusal> run() {
    if (auto read = read_files(); !read) return tl::unexpected(read.error());
    if (draft_.whole) {
      fill_ids(draft_);
      validate(draft_, options_, report_);
    }
    if (report_.error_count() > 0) return refused();
    return Loaded{std::move(draft_.config), report_.warnings()};
  }

  tl::expected<System, Refusal> run_system() {
    only_system_ = true;
    if (auto read = read_files(); !read) return tl::unexpected(read.error());
    if (report_.error_count() > 0) return refused();
    return draft_.config.system;
  }

 private:
  tl::expected<void, Refusal> read_files() {
    auto main_file = read_config_file(path_);
    if (!main_file) return unreadable(main_file.error());
    names_.push_back(path_);
    if (auto root = parse(*std::move(main_file))) {
      for (const IncludePattern& pattern : read_include(*root, options_.environment, report_)) {
        included_.push_back(pattern);
      }
      read(*std::move(root));
    }
    for (const IncludePattern& pattern : included_) include(pattern);
    return {};
  }

  void read(Node root) {
    if (only_system_) {
      const auto other = [](const Node& child) { return child.key != "system"; };
      root.children.erase(std::remove_if(root.children.begin(), root.children.end(), other),
                          root.children.end());
    }
    read_document(root, options_.environment, draft_, report_);
  }

  tl::unexpected<Refusal> refused() {
    return tl::unexpected(Refusal{ErrorKind::kInvalid, report_.errors()});
  }

  tl::unexpected<Refusal> unreadable(const Error& error) {
    Refusal refusal;
    if (error.kind == ErrorKind::kPermission) refusal.kind = ErrorKind::kPermission;
    Problem& problem = refusal.errors.emplace_back();
    problem.file = path_;
    problem.what = error.message;
    if (error.kind == ErrorKind::kNotFound) problem.note = "-c FILE names another file";
    return tl::unexpected(std::move(refusal));
  }

  std::optional<Node> parse(ConfigFile file) {
    auto root = parse_toml(report_.add_file(std::move(file)), report_);
    if (!root) draft_.whole = false;
    return root;
  }

  void include(const IncludePattern& pattern) {
    const auto files = included_files(pattern.text, path_);
    if (!files) {
      unreadable_include(pattern, files.error());
      return;
    }
    for (const std::string& name : *files) {
      const bool known = std::any_of(names_.begin(), names_.end(), [&](const std::string& other) {
        return same_file(name, other);
      });
      if (known) continue;
      names_.push_back(name);
      auto file = read_config_file(name);
      if (!file) {
        unreadable_include(pattern, {file.error().kind, 0, name + ": " + file.error().message});
        continue;
      }
      if (auto root = parse(*std::move(file))) include_document(*std::move(root));
    }
  }

  void unreadable_include(const IncludePattern& pattern, const Error& error) {
    draft_.whole = false;
    report_.error(pattern.place, "include: " + error.message);
  }

  void include_document(Node root) {
    for (const Node& child : root.children) {
      if (child.key != "include") continue;
      report_.error(child.key_place, "include is not allowed in an included file",
                    "name all files in " + path_);
    }
    read(std::move(root));
  }

  const std::string& path_;
  const LoadOptions& options_;
  bool only_system_ = false;
  std::vector<IncludePattern> included_;
  std::vector<std::string> names_;
  Report report_;
  Draft draft_;
};

}  // namespace

tl::expected<Loaded, Refusal> load(const std::string& path, const LoadOptions& options) {
  return Loader(path, options).run();
}

tl::expected<System, Refusal> load_system(const std::string& path, const LoadOptions& options) {
  return Loader(path, options).run_system();
}

}  // namespace millrace::config
