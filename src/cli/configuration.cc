// SPDX-License-Identifier: Apache-2.0
#include "cli/configuration.h"

#include <cstdio>
#include <utility>

#include "app/exit_code.h"
#include "route/tag_pattern.h"

namespace millrace::cli {
namespace {

std::optional<std::string> pattern_fault(std::string_view pattern) {
  const auto compiled = route::compile_patterns(pattern);
  if (compiled) return std::nullopt;
  return compiled.error().message;
}

int print_refusal(const config::Refusal& refusal) {
  print_problems(refusal.errors);
  const bool permission = refusal.kind == ErrorKind::kPermission;
  return permission ? app::kExitPermission : app::kExitConfig;
}

}  // namespace

tl::expected<config::Loaded, int> load_configuration(const std::string& path) {
  config::LoadOptions options;
  options.pattern_check = pattern_fault;
  auto loaded = config::load(path, options);
  if (!loaded) return tl::unexpected(print_refusal(loaded.error()));
  return *std::move(loaded);
}

tl::expected<std::string, int> control_socket_of(const std::string& path) {
  const auto system = config::load_system(path, {});
  if (!system) return tl::unexpected(print_refusal(system.error()));
  return system->root_dir + "/control.sock";
}

void print_problems(const std::vector<config::Problem>& problems) {
  std::fputs(config::problems_text(problems).c_str(), stderr);
}

}  // namespace millrace::cli
