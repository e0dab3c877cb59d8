// SPDX-License-Identifier: Apache-2.0
#include "ingest/refusals.h"

#include <algorithm>

#include "base/endian.h"

namespace millrace::ingest {
namespace {

// Fibonacci hashing: running numbers to numbers without an order.
constexpr uint64_t kScatter = 0x9e3779b97f4a7c15;

}  // namespace

bool Refusals::is_enough(std::string_view tag, std::string_view chunk) {
  const buffer::RequestKey key = buffer::request_key(
      {.chunk = chunk, .tag = tag, .size_option = std::nullopt, .entries = {}, .peer = {}}, 0);
  const std::lock_guard lock(mutex_);
  Set& set = sets_[load_le<uint64_t>(key.data()) % kSets];
  auto* refusal = std::find_if(set.begin(), set.end(), [&](const Refusal& one) {
    return one.times == 0 || one.key == key;  // what is used comes before what is free
  });
  if (refusal == set.end()) {
    const uint64_t numbers = ++forgotten_ * kScatter >> 32;
    Refusal& one = set[numbers % kWays];
    Refusal& other = set[numbers / kWays % kWays];
    refusal = one.times < other.times ? &one : &other;
  }
  if (refusal->key != key) *refusal = Refusal{.key = key};
  refusal->times = std::min(refusal->times + 1, kTimesMax);
  return refusal->times == kTimesMax;
}

}  // namespace millrace::ingest
