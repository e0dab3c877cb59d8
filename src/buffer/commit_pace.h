// SPDX-License-Identifier: Apache-2.0
#pragma once

// CommitPace: when the next commit of a log is begun. Clients that wait for their ack before they
// send again come back right after a commit, all at once; without a pause the first of them would
// take a commit for itself, and the others the next. So a small batch waits for as many requests as
// were acked just now, as long as the last commit took and at most kWaitUsMax (and then for the
// loop's timer, a millisecond). When they don't come, as many as did are waited for from then on,
// until kCommitsUntilRetry commits later. A client alone with one message in flight never waits:
// its next request is all that is expected. Does not submit and knows no clock.
// Invariant: what is put off is due after kWaitUsMax, whatever happens. Loop thread.

#include <cstddef>
#include <cstdint>

namespace millrace::buffer {

class CommitPace {
 public:
  static constexpr uint64_t kWaitUsMax = 1000;
  /// A larger batch is worth a commit of its own.
  static constexpr uint64_t kEnoughBytes = 64ULL << 10;
  static constexpr uint32_t kCommitsUntilRetry = 1000;

  void submitted(uint64_t now_us) { submitted_us_ = now_us; }
  /// A commit of `requests` requests is done; `laid_out` more are in the next batch already.
  void committed(size_t requests, size_t laid_out, uint64_t now_us);
  /// True if a batch of `laid_out` requests and `bytes` bytes is to be put off. To be asked again
  /// after each request, and when kWaitUsMax are over.
  bool waits(size_t laid_out, uint64_t bytes, uint64_t now_us);

 private:
  uint64_t submitted_us_ = 0;
  uint64_t due_us_ = 0;
  size_t due_requests_ = 0;  // of the next batch; 0: it is due
  size_t laid_out_ = 0;      // of them when the last commit was done
  size_t expected_max_ = SIZE_MAX;
  uint32_t commits_until_retry_ = 0;
  bool put_off_ = false;  // the next batch was, at least once
};

}  // namespace millrace::buffer
