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
    auto main_file = read_config_file(path_);
    if (!main_file) return unreadable(main_file.error());
    names_.push_back(path_);
    if (const auto root = parse(*std::move(main_file))) {
      read_document(*root, options_.environment, draft_, report_);
      for (const IncludePattern& pattern : read_include(*root, options_.environment, report_)) {
        include(pattern);
      }
    }
    if (draft_.whole) {
      fill_ids(draft_);
      validate(draft_, options_, report_);
    }
    if (report_.error_count() > 0) {
      return tl::unexpected(Refusal{ErrorKind::kInvalid, report_.errors()});
    }
    return Loaded{std::move(draft_.config), report_.warnings()};
  }

 private:
  tl::expected<Loaded, Refusal> unreadable(const Error& error) {
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
      if (const auto root = parse(*std::move(file))) include_document(*root);
    }
  }

  void unreadable_include(const IncludePattern& pattern, const Error& error) {
    draft_.whole = false;
    report_.error(pattern.place, "include: " + error.message);
  }

  void include_document(const Node& root) {
    for (const Node& child : root.children) {
      if (child.key != "include") continue;
      report_.error(child.key_place, "include is not allowed in an included file",
                    "name all files in " + path_);
    }
    read_document(root, options_.environment, draft_, report_);
  }

  const std::string& path_;
  const LoadOptions& options_;
  std::vector<std::string> names_;
  Report report_;
  Draft draft_;
};

}  // namespace

tl::expected<Loaded, Refusal> load(const std::string& path, const LoadOptions& options) {
  return Loader(path, options).run();
}

}  // namespace millrace::config
