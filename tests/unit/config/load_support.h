// SPDX-License-Identifier: Apache-2.0
#pragma once

// Loads a configuration from a text, with an environment of the test's own.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "config/load.h"

namespace millrace::config {

/// A directory of its own that goes with the object.
class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/millrace_config_XXXXXX";
    path_ = ::mkdtemp(name) == nullptr ? "" : name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    const std::filesystem::path path = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path.string();
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

using Variables = std::map<std::string, std::string>;

inline LoadOptions options_with(const Variables& variables) {
  LoadOptions options;
  options.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  return options;
}

inline tl::expected<Loaded, Refusal> load_text(const std::string& text,
                                               const Variables& variables = {},
                                               mode_t mode = 0600) {
  const TempDir directory;
  return load(directory.write("c.toml", text, mode), options_with(variables));
}

/// The configuration of a text that must load.
inline Config config_of(const std::string& text, const Variables& variables = {}) {
  auto loaded = load_text(text, variables);
  if (!loaded) {
    ADD_FAILURE() << problems_text(loaded.error().errors);
    return {};
  }
  return loaded->config;
}

/// What is printed for a text that must not load, without the directory's name.
inline std::string errors_of(const std::string& text, const Variables& variables = {},
                             mode_t mode = 0600) {
  const TempDir directory;
  const auto loaded = load(directory.write("c.toml", text, mode), options_with(variables));
  if (loaded) {
    ADD_FAILURE() << "loads: " << text;
    return {};
  }
  std::string printed = problems_text(loaded.error().errors);
  for (size_t at; (at = printed.find(directory.path() + "/")) != std::string::npos;) {
    printed.erase(at, directory.path().size() + 1);
  }
  return printed;
}

inline std::string warnings_of(const std::string& text, const Variables& variables = {}) {
  const auto loaded = load_text(text, variables);
  if (!loaded) {
    ADD_FAILURE() << problems_text(loaded.error().errors);
    return {};
  }
  return problems_text(loaded->warnings);
}

inline const std::string kSource = "[[source]]\ntype = \"forward\"\n";
inline const std::string kLocal = "[[match]]\npattern = \"**\"\ntype = \"local\"\n";
inline const std::string kKinesis =
    "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\nstream_name = \"s\"\n"
    "region = \"eu-west-1\"\naws_key_id = \"a\"\naws_sec_key = \"b\"\n";

}  // namespace millrace::config
