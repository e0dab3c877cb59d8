// SPDX-License-Identifier: Apache-2.0
#include "flush/backoff.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace millrace::flush {
namespace {

constexpr uint64_t kNotAuthorizedMsMin = 10'000;
constexpr uint64_t kThrottleMsMin = 100;
constexpr uint64_t kThrottleMsStart = 500;
constexpr uint64_t kWaitMsMin = 1;
constexpr uint32_t kDoublingsMax = 32;

// Uniform in [0, 1).
double unit(uint64_t random) { return static_cast<double>(random >> 11) * 0x1.0p-53; }

}  // namespace

Decision Backoff::failed(Retries& retries, const output::PutResult& result, uint64_t now_ms,
                         uint64_t random, uint64_t failing_since_ms) const {
  CHECK(result.outcome != output::Outcome::kCommitted);
  if (result.outcome == output::Outcome::kRejected) return {.give_up = true, .refused = true};
  if (result.outcome == output::Outcome::kThrottled) {
    return throttled(retries, result.retry_after_ms, random);
  }
  retries.throttles = 0;
  if (retries.failures == 0) {
    const uint64_t since = failing_since_ms == 0 ? now_ms : std::min(failing_since_ms, now_ms);
    retries.deadline_ms = later(since, options_.retry_timeout_ms);
  }
  if (retries.failures < std::numeric_limits<uint32_t>::max()) ++retries.failures;

  uint64_t wait_ms =
      std::max(jittered(interval_ms(retries.failures), random), result.retry_after_ms);
  if (result.outcome == output::Outcome::kNotAuthorized) {
    wait_ms = std::max(wait_ms, kNotAuthorizedMsMin);
  }
  if (!options_.retry_forever) {
    const bool too_often =
        options_.retry_max_times > 0 && retries.failures > options_.retry_max_times;
    if (too_often || now_ms >= retries.deadline_ms) return {.give_up = true};
    wait_ms = std::min(wait_ms, retries.deadline_ms - now_ms);
  }
  return {.wait_ms = std::max(wait_ms, kWaitMsMin)};
}

Decision Backoff::throttled(Retries& retries, uint64_t retry_after_ms, uint64_t random) const {
  const uint32_t doublings = std::min<uint32_t>(retries.throttles, kDoublingsMax);
  if (retries.throttles < kDoublingsMax) ++retries.throttles;
  const uint64_t cap = std::max(options_.retry_max_interval_ms, kThrottleMsMin);
  const uint64_t ceiling = std::min(kThrottleMsStart << doublings, cap);
  const auto spread = static_cast<double>(ceiling - kThrottleMsMin);
  uint64_t wait_ms = kThrottleMsMin + static_cast<uint64_t>(spread * unit(random));
  // Spread what a service asked many senders for at the same time.
  if (retry_after_ms > 0) wait_ms = later(retry_after_ms, wait_ms);
  if (retries.failures > 0) retries.deadline_ms = later(retries.deadline_ms, wait_ms);
  return {.wait_ms = wait_ms};
}

uint64_t Backoff::later(uint64_t deadline_ms, uint64_t ms) {
  constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
  return deadline_ms > kNever - ms ? kNever : deadline_ms + ms;
}

uint64_t Backoff::interval_ms(uint32_t n) const {
  CHECK(n > 0);
  const double raw = static_cast<double>(options_.retry_wait_ms) *
                     std::pow(options_.retry_exponential_backoff_base, static_cast<double>(n - 1));
  // The comparison is false for infinity and for no number at all.
  if (!(raw < static_cast<double>(options_.retry_max_interval_ms))) {
    return options_.retry_max_interval_ms;
  }
  return static_cast<uint64_t>(raw);
}

uint64_t Backoff::wait_ms(uint32_t n, uint64_t random) const {
  return std::max(jittered(interval_ms(n), random), kWaitMsMin);
}

uint64_t Backoff::jittered(uint64_t interval_ms, uint64_t random) const {
  if (!options_.retry_randomize) return interval_ms;
  const auto interval = static_cast<double>(interval_ms);
  return static_cast<uint64_t>(interval + interval * 0.125 * (2 * unit(random) - 1));
}

}  // namespace millrace::flush
