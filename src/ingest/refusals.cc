// SPDX-License-Identifier: Apache-2.0
#include "ingest/refusals.h"

#include <algorithm>

namespace millrace::ingest {

bool Refusals::is_enough(std::string_view tag, std::string_view chunk) {
  const buffer::RequestKey key = buffer::request_key(
      {.chunk = chunk, .tag = tag, .size_option = std::nullopt, .entries = {}, .peer = {}}, 0);
  const std::lock_guard lock(mutex_);
  auto* refusal = std::find_if(refusals_.begin(), refusals_.end(),
                               [&](const Refusal& one) { return one.times > 0 && one.key == key; });
  if (refusal == refusals_.end()) {
    refusal = std::min_element(
        refusals_.begin(), refusals_.end(),
        [](const Refusal& a, const Refusal& b) { return a.last_seen < b.last_seen; });
    *refusal = Refusal{.key = key};
  }
  refusal->last_seen = ++calls_;
  refusal->times = std::min(refusal->times + 1, kTimesMax);
  return refusal->times == kTimesMax;
}

}  // namespace millrace::ingest
