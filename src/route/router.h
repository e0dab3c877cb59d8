// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which output a tag goes to: the rules in the order of the configuration, the first that fits
// wins. Answers are kept for the last 1024 tags, oldest out first (as fluentd,
// lib/fluent/event_router.rb), so that the usual tag costs one hash lookup and no allocation. Owned
// by one loop thread. Invariant: cache_ holds exactly the tags of the filled places of tags_; their
// views point there.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "route/tag_pattern.h"

namespace millrace::route {

/// The patterns of one output; each may itself be a list separated by blanks.
struct Rule {
  std::vector<std::string> patterns;
  int output = 0;
};

class Router {
 public:
  static constexpr int kNoOutput = -1;
  static constexpr size_t kCachedTagsMax = 1024;
  /// Longer tags are matched anew each time: the cache stays below 1 MiB.
  static constexpr size_t kCachedTagBytesMax = 512;

  static Result<Router> make(const std::vector<Rule>& rules);

  /// The output of the first rule that fits `tag`, or kNoOutput.
  int route(std::string_view tag);

 private:
  struct CompiledRule {
    std::vector<TagPattern> patterns;
    int output;
  };

  int match(std::string_view tag) const;
  void keep(std::string_view tag, int output);

  std::vector<CompiledRule> rules_;
  std::unordered_map<std::string_view, int> cache_;
  // Never reallocated: cache_ points into the strings, short ones included.
  std::unique_ptr<std::string[]> tags_;
  size_t filled_ = 0;
  size_t oldest_ = 0;
};

}  // namespace millrace::route
