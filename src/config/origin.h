// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the values of a model stand in the files, so that checks across options can point at them.
// Parallel to Config: sources and matches have the same order. Values; any thread.

#include <map>
#include <string>
#include <vector>

#include "config/config_file.h"

namespace millrace::config {

/// One table with its sub-tables; options of a sub-table are named "buffer.path", of the second of
/// several "security.user.1.username". A sub-table itself, as "buffer", has the place of its
/// header.
struct Origin {
  Place place;                           // the header
  std::map<std::string, Place> options;  // only those that the file gives
  std::vector<Place> patterns;           // of [[match]], one for each pattern
  std::string type;                      // option `type`, "" if it is missing or wrong

  bool has(const std::string& name) const { return options.count(name) > 0; }
  const Place& of(const std::string& name) const {
    const auto found = options.find(name);
    return found == options.end() ? place : found->second;
  }
};

struct Origins {
  Origin system;
  bool has_system = false;
  std::vector<Origin> sources;
  std::vector<Origin> matches;
};

}  // namespace millrace::config
