// SPDX-License-Identifier: Apache-2.0
#pragma once

// Backoff: when a chunk whose delivery failed is tried again, and when it no longer is. One per
// chunk in the sense of its state, Retries; Backoff itself is the options. Pure: the time and the
// randomness are handed in, nothing is remembered but in Retries, nothing survives a restart.
//
//   unavailable, ambiguous   min(retry_wait * base^(n-1), retry_max_interval), +-12.5 %
//   not_authorized           the same, but at least 10 s
//   throttled                full jitter: 100 ms ... min(500 ms * 2^(n-1), retry_max_interval)
//   rejected                 never
//
// Throttling says nothing about the chunk: it counts towards no limit, and the time it takes moves
// the deadline. Otherwise limits are Fluentd's, but for the single chunk (its retry_state.rb): one
// last attempt is made at retry_timeout after the first failure; retry_max_times retries follow the
// first attempt. All times are running time: no clock on the wall makes a limit pass.
// Invariant: a wait is never 0. Any thread; a Retries belongs to one at a time.

#include <cstdint>

#include "config/model.h"
#include "output/output.h"

namespace millrace::flush {

/// What a chunk has been through. Fresh for a new chunk and after a restart.
struct Retries {
  uint32_t failures = 0;     // those that count: not the throttled ones
  uint8_t throttles = 0;     // in a row; stops counting where the wait does not grow any more
  uint64_t deadline_ms = 0;  // set by the first failure that counts
};

struct Decision {
  bool give_up = false;  // to the secondary or dead/
  uint64_t wait_ms = 0;  // else: the next attempt so much later
  bool refused = false;  // given up because these bytes are refused, not because of a limit
};

class Backoff {
 public:
  explicit Backoff(const config::Buffer& options) : options_(options) {}

  /// Notes that an attempt which ended at `now_ms` (running time) did not commit, and decides.
  /// `random` is uniform over all values. `failing_since_ms`: the chunk could not be delivered
  /// since then, though it was not tried; 0: since now.
  Decision failed(Retries& retries, const output::PutResult& result, uint64_t now_ms,
                  uint64_t random, uint64_t failing_since_ms = 0) const;

  /// A deadline so much later; one that never comes stays so.
  static uint64_t later(uint64_t deadline_ms, uint64_t ms);
  /// The wait before retry `n` (1, 2 ...) without jitter.
  uint64_t interval_ms(uint32_t n) const;
  /// The same with jitter.
  uint64_t wait_ms(uint32_t n, uint64_t random) const;
  /// An eighth more or less at most, unless the options forbid it.
  uint64_t jittered(uint64_t interval_ms, uint64_t random) const;

 private:
  Decision throttled(Retries& retries, uint64_t retry_after_ms, uint64_t random) const;
  config::Buffer options_;
};

}  // namespace millrace::flush
