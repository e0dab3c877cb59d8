// SPDX-License-Identifier: Apache-2.0
#pragma once

// Breaker: whether an output may be asked now, decided for all flush threads of all workers.
//
//   closed     everybody may
//   throttled  the service takes less than we have: requests are spaced (Pacer); ends when for
//              30 s none was refused and none had to wait for its turn
//   open       the service is away: nobody may, but for one probe at a time after each back-off
//   ramping    a probe came through: one request at a time, then two, four ... then closed
//
// It opens when two chunks failed one after the other, each for the first time, with no answer of
// the service in between; five, if it has answered in the last ten seconds and is not throttled,
// for then it is likely to be the chunks. What fails again tells little about the service, so only
// ten in a row open it, and such a chunk takes no place of a probe or a ramp from the others. So
// chunks that always fail keep the others waiting for a second each at most: so soon comes the next
// probe while less than ten chunks have failed in a row; then the back-off grows with each further
// one. Any answer ends that, for then the service is there; answers that refuse a chunk's bytes are
// answers. Probes and the requests of a ramp are to tell how the service is: they are made with
// chunks that never failed, the newest and the oldest in turn, for of chunks that were stored one
// after the other many may fail. Each fourth is for those that failed, as is each fourth request
// while throttled. Where there is nothing else they are tried beside the probes, one a second.
//
// Pure: time and randomness are handed in. Invariant: while it is open at most one request that it
// let go is under way, but for chunks that failed before. One thread at a time.

#include <algorithm>
#include <cstdint>

#include "base/chunk_id.h"
#include "buffer/chunk_queue.h"
#include "flush/backoff.h"
#include "flush/pacer.h"
#include "output/output.h"

namespace millrace::flush {

/// Leave to make one request.
struct Permit {
  // kOwn: with a chunk that failed before, while the breaker is open. Nobody waits for its answer.
  enum class Kind : uint8_t { kFree, kPaced, kProbe, kRamp, kOwn };
  Kind kind = Kind::kFree;
  buffer::ChunkQueue::Pick pick = buffer::ChunkQueue::Pick::kInTurn;  // the chunk for it
  uint64_t period = 0;                                                // of the state that gave it
  uint64_t since_ms = 0;                                              // which began then
  uint64_t asked_ms = 0;
  double gap_ms = 0;   // kPaced: the time it takes up
  uint64_t bytes = 0;  // for so many
};

/// What an attempt met.
struct Answer {
  output::Outcome outcome = output::Outcome::kCommitted;
  ChunkId chunk_id;
  uint64_t bytes = 0;
  uint64_t retry_after_ms = 0;
  bool failed_before = false;   // this chunk, at an earlier attempt
  bool refused_before = false;  // for now, at the attempt before
};

using Due = buffer::ChunkQueue::Due;

class Breaker {
 public:
  enum class State : uint8_t { kClosed, kThrottled, kOpen, kRamping };

  explicit Breaker(const config::Buffer& options);

  /// 0: a request may be made, with `permit`, for one of the chunks of `due`. Else how long to wait
  /// before asking again, or kUntilChange: until an answer comes.
  uint64_t ask(const Due& due, uint64_t now_ms, uint64_t random, Permit& permit);
  static constexpr uint64_t kUntilChange = ~uint64_t{0};

  /// What time alone changes: a throttling and a ramp end.
  void settle(uint64_t now_ms);

  /// The request was not made after all.
  void cancel(const Permit& permit);
  /// It is made, with a chunk of `bytes`. Nobody waits for the answer of one that failed before.
  void use(Permit& permit, uint64_t bytes, bool failed_before, uint64_t now_ms, uint64_t random);
  /// `rate`: bytes a millisecond that were delivered lately; asked for only by a first refusal.
  void note(const Permit& permit, const Answer& answer, double rate, uint64_t now_ms,
            uint64_t random);

  /// Of answers that note() was spared, the last. It may be: while closed() and !failing().
  void heard(uint64_t answered_ms) { answered_ms_ = std::max(answered_ms_, answered_ms); }
  /// Something has failed since the last answer.
  bool failing() const { return in_a_row_ > 0 || again_in_a_row_ > 0; }

  State state() const { return state_; }
  bool probing() const { return probing_; }
  /// Open or throttled so that waiting for it is in vain.
  bool hopeless() const {
    return state_ == State::kOpen || (state_ == State::kThrottled && pacer_.stalled());
  }
  uint64_t since_ms() const { return since_ms_; }  // of this state
  /// The first failure since the last answer; 0: none.
  uint64_t failing_since_ms() const { return in_a_row_ > 0 ? first_ms_ : 0; }
  uint64_t period() const { return period_; }                // grows with each change of state
  uint64_t next_probe_ms() const { return next_probe_ms_; }  // while it is open
  /// While it is open: the next probe, or what is tried beside it if no probe was wanted by now.
  uint64_t next_request_ms(uint64_t now_ms) const {
    return now_ms < next_probe_ms_ ? next_probe_ms_ : next_own_ms_;
  }
  uint64_t opens() const { return opens_; }
  uint64_t throttles() const { return throttles_; }
  uint64_t probes() const { return probes_; }
  const Pacer& pacer() const { return pacer_; }

 private:
  void enter(State state, uint64_t now_ms);
  /// Such a one, of this state. Those of a state before tell nothing of this one.
  bool is(const Permit& permit, Permit::Kind kind) const {
    return permit.kind == kind && permit.period == period_;
  }
  void ramp_request_over();
  buffer::ChunkQueue::Pick turn(buffer::ChunkQueue::Pick pick);
  uint64_t ask_open(bool failed, uint64_t now_ms, uint64_t random, Permit& permit);
  uint64_t ask_ramp(bool failed, Permit& permit);
  void there(uint64_t now_ms);
  void answered(const Permit& permit, const Answer& answer, uint64_t now_ms);
  void on_its_own(Permit& permit, uint64_t now_ms, uint64_t random);
  uint32_t enough(uint64_t now_ms) const;
  void throttled(const Permit& permit, const Answer& answer, double rate, uint64_t now_ms);
  void failed(const Permit& permit, const Answer& answer, uint64_t now_ms, uint64_t random);
  void open(const Answer& answer, uint64_t now_ms, uint64_t random);
  uint64_t wait_ms(uint32_t level, uint64_t retry_after_ms, uint64_t random) const;

  Backoff backoff_;
  State state_ = State::kClosed;
  uint64_t since_ms_ = 0;
  uint64_t period_ = 0;  // counts changes of state
  Pacer pacer_;

  uint64_t answered_ms_ = 0;  // last; 0: not yet
  // Failures without an answer in between.
  uint32_t in_a_row_ = 0;
  uint32_t again_in_a_row_ = 0;  // of chunks that had failed before
  uint32_t level_ = 0;           // of different chunks
  ChunkId last_failed_;
  uint64_t first_ms_ = 0;

  // Open.
  bool probing_ = false;
  uint64_t next_probe_ms_ = 0;
  uint64_t next_own_ms_ = 0;

  // Ramping.
  uint32_t window_ = 0;     // so many requests at a time
  uint32_t under_way_ = 0;  // of this period

  uint64_t picks_ = 0;  // of this state, open or ramping
  uint64_t turns_ = 0;  // ramping or throttled

  uint64_t opens_ = 0;
  uint64_t throttles_ = 0;
  uint64_t probes_ = 0;
};

/// "closed", "throttled", "open", "probing" or "ramping".
const char* state_name(Breaker::State state, bool probing);

}  // namespace millrace::flush
