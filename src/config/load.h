// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a file's name to a checked configuration: read, include, fill the model, validate. Touches
// nothing but the files it reads: no port, no root_dir. Any thread; nothing is kept.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/environment.h"
#include "config/model.h"
#include "config/report.h"

namespace millrace::config {

constexpr const char* kDefaultPath = "/etc/millrace/millrace.toml";

/// What is wrong with a pattern of tags, as a whole sentence; nothing: it is fine.
using PatternCheck = std::function<std::optional<std::string>(std::string_view pattern)>;

struct LoadOptions {
  Environment environment = process_environment();
  PatternCheck pattern_check;  // none: patterns are taken as they are
};

struct Loaded {
  Config config;
  std::vector<Problem> warnings;
};

/// Why a configuration cannot be used. `kind` is kPermission if the file may not be read, else
/// kInvalid; `errors` has at least one element.
struct Refusal {
  ErrorKind kind = ErrorKind::kInvalid;
  std::vector<Problem> errors;
};

/// The [system] of the same files and nothing else: what is wrong elsewhere, or needs variables
/// that only the service has, does not matter to who looks for its root_dir.
tl::expected<System, Refusal> load_system(const std::string& path, const LoadOptions& options);

tl::expected<Loaded, Refusal> load(const std::string& path, const LoadOptions& options);

}  // namespace millrace::config
