// SPDX-License-Identifier: Apache-2.0
#include "app/log_places.h"

#include <fmt/format.h>

namespace millrace::app {
namespace {

bool has_path(const config::Config& config, size_t output) {
  return output < config.matches.size() && !config.matches[output].buffer.path.empty();
}

}  // namespace

std::string output_id(const config::Config& config, size_t output) {
  return output < config.matches.size() ? config.matches[output].id : kUnmatchedId;
}

std::string log_root(const config::Config& config, size_t output) {
  return has_path(config, output) ? config.matches[output].buffer.path : config.system.root_dir;
}

std::string log_directory(const config::Config& config, size_t output, uint32_t worker) {
  const std::string root = fmt::format("{}/worker{}", log_root(config, output), worker);
  if (has_path(config, output)) return root;
  return fmt::format("{}/{}/buffer", root, output_id(config, output));
}

}  // namespace millrace::app
