// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fills the model from a parsed file by the option table: names, types, bounds, words, secrets.
// Reports everything that is wrong and goes on, so that one run shows all errors. Knows no rule
// between two options; that is validate.h. Any thread.

#include <string>
#include <vector>

#include "config/document.h"
#include "config/environment.h"
#include "config/model.h"
#include "config/origin.h"
#include "config/report.h"

namespace millrace::config {

/// What a file adds to.
struct Draft {
  Config config;
  Origins origins;
  bool whole = true;  // false: a section could not be read at all, so much may seem missing
};

/// Reads the root table of one file. `include` is left to the caller.
void read_document(const Node& root, const Environment& environment, Draft& draft, Report& report);

/// The file names of the root's `include`, references expanded, not globbed yet.
struct IncludePattern {
  std::string text;
  Place place;
};
std::vector<IncludePattern> read_include(const Node& root, const Environment& environment,
                                         Report& report);

}  // namespace millrace::config
