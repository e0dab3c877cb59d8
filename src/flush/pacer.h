// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pacer: how fast a service that throttles is asked, all threads and workers of an output together.
// It spaces requests by their bytes at a rate that it learns from the answers alone. First it
// searches: two requests a second, whatever their size, tell where to begin, and from there an
// acceptance raises the rate by half, ten times a second. The service takes what it
// has saved up on top of its rate, so the search ends too high, and the rate falls by a third with
// each refusal until two requests in a row are accepted. Then a refusal lowers it a little, an
// acceptance raises it by much less, so that it settles where about one request in fifteen is
// refused, which is the rate the service takes, unless it refuses for other reasons (Refusals).
// After many acceptances in a row it searches anew; after many refusals a request goes only every
// interval_max, until one is accepted. As long as some are, one goes every second at least,
// whatever its size. Requests are never at equal distances. Pure: time and randomness are handed
// in. Invariant: two requests are at most interval_max apart. One thread at a time.

#include <cstdint>

#include "flush/refusals.h"

namespace millrace::flush {

class Pacer {
 public:
  explicit Pacer(uint64_t interval_ms_max) : interval_ms_max_(interval_ms_max) {}

  /// A first refusal: begins at this rate in bytes a millisecond, or slowly if it is 0.
  void begin(double rate, uint64_t bytes, uint64_t now_ms);

  /// 0: a request of `bytes` may go now, and `gap_ms` is the time it takes up. Else the wait.
  uint64_t ask(uint64_t bytes, uint64_t now_ms, uint64_t random, double& gap_ms);
  /// A request that was let go was not made, or told nothing.
  void give_back(double gap_ms) { next_ms_ -= gap_ms; }
  /// It was made with `bytes`, and not with those it was let go for.
  void correct(uint64_t asked_bytes, uint64_t bytes, double& gap_ms);

  /// `asked_ms`: when ask() let it go. `first`: the chunk was not refused at its last attempt. Of
  /// the others an acceptance tells something, another refusal does not.
  void accepted(uint64_t asked_ms, uint64_t bytes, uint64_t now_ms, bool first = true);
  void refused(uint64_t asked_ms, uint64_t now_ms, bool first = true);

  double rate() const { return rate_; }  // bytes a millisecond
  /// Nothing was accepted for several requests.
  bool stalled() const { return refused_in_a_row_ >= kStallRequests; }
  /// When a request was last refused or had to wait for its turn.
  uint64_t felt_ms() const { return felt_ms_; }

 private:
  // Searching: nothing was refused after a success, since begin() or a stall.
  enum class Phase : uint8_t { kSearching, kFalling, kSettled };
  static constexpr uint32_t kStallRequests = 12;
  double gap_of(uint64_t bytes, double spread) const;
  void raise(double rate, uint64_t now_ms);
  void count(bool refused, uint64_t asked_ms, uint64_t now_ms);

  double rate_ = 1;
  double next_ms_ = 0;  // when the next request may go
  uint64_t interval_ms_max_;
  uint64_t bytes_ = 1;  // of the last request
  uint32_t accepted_in_a_row_ = 0;
  uint32_t refused_in_a_row_ = 0;
  Phase phase_ = Phase::kSettled;
  Refusals refusals_;        // while settled
  double rate_before_ = 1;   // a trial of theirs
  bool limited_ = false;     // a request had to wait since the rate was last raised
  uint64_t lowered_ms_ = 0;  // the rate, last
  uint64_t raised_ms_ = 0;   // by the search, last
  uint64_t felt_ms_ = 0;
};

}  // namespace millrace::flush
