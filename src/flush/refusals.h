// SPDX-License-Identifier: Apache-2.0
#pragma once

// Refusals: whether a service refuses because of the rate that it is asked at. It may not: where
// one of four shards is used up by others, a quarter of all requests is refused at any rate, and
// who lowers his with each refusal ends with none. So where lowering was in vain, and now and then
// anyway, the rate is doubled for a trial. If it is the cause, no more are accepted than before, so
// at least half of the requests are refused; if not, the share stays as it was. The answers are
// weighed one by one until one of the two is fifty times as likely as the other (Wald's sequential
// test). If it is not the cause, and that many more requests were really made, the rate stays
// doubled, and the next trial begins.
// Pure. Invariant: a rate stays doubled only for what was accepted kSettleMs after that and later,
// for until then a service gives what it has saved up. One thread at a time.

#include <cstdint>

namespace millrace::flush {

class Refusals {
 public:
  enum class Step : uint8_t {
    kGoOn,
    kTry,   // a trial begins: double the rate
    kBack,  // it is over: to the rate before it
  };

  /// Nothing is known, or what was.
  void forget() { *this = Refusals(); }
  /// Nothing is accepted any more: a trial is over.
  void give_up() { trial_ = false; }

  /// An answer to a request made at `asked_ms`. `limited`: requests wait for their turn.
  Step count(bool refused, bool limited, double rate, uint64_t asked_ms, uint64_t now_ms);

  bool trial() const { return trial_; }

 private:
  static constexpr uint64_t kPauseMsMin = 4'000;  // between trials
  static constexpr uint64_t kPauseMsMax = 64'000;
  struct Window {
    uint64_t begun_ms = 0;
    uint32_t answers = 0;
    uint32_t refused = 0;
    bool limited = false;
    double rates = 0;  // sum over the answers
    double pace = 0;   // requests a millisecond, as a part of the rate; of a full window

    void count(bool was_refused, double rate, uint64_t now_ms);
  };

  static bool many(const Window& window);
  bool due(double rate, uint64_t now_ms) const;
  double share() const;
  Step weigh(bool refused, double rate, uint64_t asked_ms, uint64_t now_ms);
  Step begin_trial(double rate, uint64_t now_ms);

  Window before_;  // the last full one
  Window window_;
  double highest_ = 0;  // rate since the last trial
  uint64_t pause_ms_ = kPauseMsMin;
  uint64_t next_ms_ = 0;  // then the next trial

  bool trial_ = false;
  Window tried_;
  bool settled_ = false;
  double weight_ = 0;  // above 0: the rate is the cause
};

}  // namespace millrace::flush
