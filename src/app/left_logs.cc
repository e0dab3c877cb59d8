// SPDX-License-Identifier: Apache-2.0
#include "app/left_logs.h"

#include <algorithm>

#include "buffer/log_directory.h"

namespace millrace::app {
namespace {

std::vector<std::string> directories_in(io::FileSystem& files, const std::string& place,
                                        const std::string& prefix) {
  std::vector<std::string> found;
  const auto entries = files.list(place);
  if (!entries) return found;
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.directory && entry.name.starts_with(prefix)) {
      found.push_back(std::string(place).append("/").append(entry.name));
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> left_logs(io::FileSystem& files, const config::Config& config,
                                   const std::vector<std::string>& opened) {
  std::vector<std::string> places;
  for (const std::string& worker : directories_in(files, config.system.root_dir, "worker")) {
    for (const std::string& output : directories_in(files, worker, "")) {
      places.push_back(output + "/buffer");
    }
  }
  for (const config::Match& match : config.matches) {
    if (match.buffer.path.empty()) continue;
    for (std::string& worker : directories_in(files, match.buffer.path, "worker")) {
      places.push_back(std::move(worker));
    }
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  std::vector<std::string> left;
  for (std::string& place : places) {
    const auto inside = files.list(place);
    const bool is_open = std::find(opened.begin(), opened.end(), place) != opened.end();
    if (inside && buffer::holds_log(*inside) && !is_open) left.push_back(std::move(place));
  }
  return left;
}

}  // namespace millrace::app
