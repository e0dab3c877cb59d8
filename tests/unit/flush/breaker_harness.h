// SPDX-License-Identifier: Apache-2.0
#pragma once

// BreakerTest: a breaker with a clock that the test moves and no jitter. Its tests are in
// breaker_test.cc, and those of chunks that failed before in breaker_failed_test.cc.

#include <gtest/gtest.h>

#include <optional>

#include "flush/breaker.h"

namespace millrace::flush {
using output::Outcome;
using State = Breaker::State;

inline constexpr uint64_t kMiddle = 1ULL << 63;  // no jitter

inline ChunkId chunk_id_of(uint8_t n) {
  ChunkId id;
  id.bytes[15] = n;
  return id;
}

class BreakerTest : public ::testing::Test {
 protected:
  // Asks; the permit, or nothing if it has to wait.
  std::optional<Permit> ask(bool failed = false) {
    Permit permit;
    wait_ = breaker_.ask({.bytes = 1000, .failed = failed}, now_, kMiddle, permit);
    if (wait_ > 0) return std::nullopt;
    return permit;
  }
  void note(const Permit& permit, Outcome outcome, uint8_t n = 1, uint64_t retry_after_ms = 0,
            bool failed_before = false) {
    breaker_.note(permit,
                  Answer{.outcome = outcome,
                         .chunk_id = chunk_id_of(n),
                         .bytes = 1000,
                         .retry_after_ms = retry_after_ms,
                         .failed_before = failed_before},
                  0, now_, kMiddle);
  }
  // A later attempt of a chunk that has failed.
  void note_again(const Permit& permit, uint8_t n) {
    note(permit, Outcome::kUnavailable, n, 0, true);
  }
  // Two chunks fail: it is open, and the next probe a second away.
  void open() {
    const Permit one = *ask();
    const Permit two = *ask();
    note(one, Outcome::kUnavailable, 1);
    note(two, Outcome::kUnavailable, 2);
    ASSERT_EQ(breaker_.state(), State::kOpen);
  }

  config::Buffer options_;
  Breaker breaker_{options_};
  uint64_t now_ = 1'000'000;
  uint64_t wait_ = 0;
};

}  // namespace millrace::flush
