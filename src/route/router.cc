// SPDX-License-Identifier: Apache-2.0
#include "route/router.h"

#include <algorithm>

namespace millrace::route {

Result<Router> Router::make(const std::vector<Rule>& rules) {
  Router router;
  router.tags_ = std::make_unique<std::string[]>(kCachedTagsMax);
  router.cache_.reserve(kCachedTagsMax);
  for (const Rule& rule : rules) {
    CompiledRule compiled{{}, rule.output};
    for (const std::string& patterns : rule.patterns) {
      Result<std::vector<TagPattern>> list = compile_patterns(patterns);
      if (!list) return tl::unexpected<Error>(list.error());
      std::move(list->begin(), list->end(), std::back_inserter(compiled.patterns));
    }
    router.rules_.push_back(std::move(compiled));
  }
  return router;
}

int Router::route(std::string_view tag) {
  const auto known = cache_.find(tag);
  if (known != cache_.end()) return known->second;
  const int output = match(tag);
  if (tag.size() <= kCachedTagBytesMax) keep(tag, output);
  return output;
}

int Router::match(std::string_view tag) const {
  for (const CompiledRule& rule : rules_) {
    const bool fits =
        std::any_of(rule.patterns.begin(), rule.patterns.end(),
                    [tag](const TagPattern& pattern) { return pattern.matches(tag); });
    if (fits) return rule.output;
  }
  return kNoOutput;
}

void Router::keep(std::string_view tag, int output) {
  std::string& place = tags_[oldest_];
  if (filled_ == kCachedTagsMax) {
    cache_.erase(place);
  } else {
    ++filled_;
  }
  place = tag;
  cache_.emplace(place, output);
  oldest_ = (oldest_ + 1) % kCachedTagsMax;
}

}  // namespace millrace::route
