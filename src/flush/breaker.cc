// SPDX-License-Identifier: Apache-2.0
#include "flush/breaker.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::flush {
namespace {

using output::Outcome;
using Pick = buffer::ChunkQueue::Pick;

constexpr uint64_t kFirstWaitMsMax = 1'000;  // what a failing chunk may cost the others
constexpr uint64_t kOwnMs = 1'000;           // between what is tried beside the probes
constexpr uint32_t kEnough = 2;
constexpr uint32_t kEnoughLately = 5;  // if it has answered within
constexpr uint64_t kLatelyMs = 10'000;
constexpr uint32_t kSureLevel = 10;  // so many failed in a row: it is not these chunks alone
constexpr uint64_t kTurn = 4;  // while not closed each so many permits is for those that failed
constexpr uint64_t kRateKnownMs = 60'000;
constexpr uint64_t kThrottleForgottenMs = 30'000;
constexpr uint64_t kRampMsMax = 10'000;
constexpr uint32_t kWindowMax = 64;

}  // namespace

const char* state_name(Breaker::State state, bool probing) {
  switch (state) {
    case Breaker::State::kClosed:
      return "closed";
    case Breaker::State::kThrottled:
      return "throttled";
    case Breaker::State::kOpen:
      return probing ? "probing" : "open";
    case Breaker::State::kRamping:
      break;
  }
  return "ramping";
}

Breaker::Breaker(const config::Buffer& options)
    : backoff_(options), pacer_(std::max<uint64_t>(options.retry_max_interval_ms, 1)) {}

void Breaker::enter(State state, uint64_t now_ms) {
  state_ = state;
  since_ms_ = now_ms;
  ++period_;
  probing_ = false;
  window_ = 1;
  under_way_ = 0;
  picks_ = 0;
}

void Breaker::settle(uint64_t now_ms) {
  const bool forgotten = state_ == State::kThrottled && !pacer_.stalled() &&
                         now_ms >= pacer_.felt_ms() + kThrottleForgottenMs;
  const bool ramped = state_ == State::kRamping && now_ms >= since_ms_ + kRampMsMax;
  if (forgotten || ramped) enter(State::kClosed, now_ms);
}

uint64_t Breaker::ask(const Due& due, uint64_t now_ms, uint64_t random, Permit& permit) {
  settle(now_ms);
  permit = Permit{.period = period_, .since_ms = since_ms_, .asked_ms = now_ms};
  switch (state_) {
    case State::kClosed:
      return 0;
    case State::kThrottled: {
      permit.kind = Permit::Kind::kPaced;
      permit.bytes = due.bytes;
      const uint64_t wait_ms = pacer_.ask(due.bytes, now_ms, random, permit.gap_ms);
      if (wait_ms == 0 && !due.failed) permit.pick = turn(Pick::kOldest);
      return wait_ms;
    }
    case State::kOpen:
      return ask_open(due.failed, now_ms, random, permit);
    case State::kRamping:
      return ask_ramp(due.failed, permit);
  }
  return 0;
}

uint64_t Breaker::ask_open(bool failed, uint64_t now_ms, uint64_t random, Permit& permit) {
  if (failed) {
    if (now_ms < next_own_ms_) return next_own_ms_ - now_ms;
    permit.kind = Permit::Kind::kOwn;
    next_own_ms_ = now_ms + backoff_.jittered(kOwnMs, random);
    return 0;
  }
  if (probing_) return kUntilChange;
  if (now_ms < next_probe_ms_) return next_probe_ms_ - now_ms;
  permit.kind = Permit::Kind::kProbe;
  permit.pick = picks_ % 2 == 0 ? Pick::kNewest : Pick::kOldest;
  if (++picks_ % kTurn == 0) permit.pick = Pick::kInTurn;
  probing_ = true;
  return 0;
}

uint64_t Breaker::ask_ramp(bool failed, Permit& permit) {
  if (under_way_ >= window_) return kUntilChange;
  if (failed) return 0;
  permit.kind = Permit::Kind::kRamp;
  // It began with the newest, which came through.
  permit.pick = turn(picks_++ % 2 == 0 ? Pick::kOldest : Pick::kNewest);
  ++under_way_;
  return 0;
}

void Breaker::use(Permit& permit, uint64_t bytes, bool failed_before, uint64_t now_ms,
                  uint64_t random) {
  if (is(permit, Permit::Kind::kPaced)) pacer_.correct(permit.bytes, bytes, permit.gap_ms);
  if (failed_before) on_its_own(permit, now_ms, random);
}

void Breaker::on_its_own(Permit& permit, uint64_t now_ms, uint64_t random) {
  if (is(permit, Permit::Kind::kProbe)) {
    probing_ = false;
    next_probe_ms_ = now_ms + wait_ms(level_, 0, random);
    permit.kind = Permit::Kind::kOwn;
  } else if (permit.kind == Permit::Kind::kRamp) {
    cancel(permit);
    permit.kind = Permit::Kind::kFree;
  }
}

Pick Breaker::turn(Pick pick) { return ++turns_ % kTurn == 0 ? Pick::kInTurn : pick; }

void Breaker::cancel(const Permit& permit) {
  if (is(permit, Permit::Kind::kPaced)) pacer_.give_back(permit.gap_ms);
  if (is(permit, Permit::Kind::kRamp)) ramp_request_over();
  if (is(permit, Permit::Kind::kProbe)) probing_ = false;
  if (is(permit, Permit::Kind::kOwn)) next_own_ms_ = permit.asked_ms;
}

void Breaker::ramp_request_over() {
  CHECK(under_way_ > 0);
  --under_way_;
}

void Breaker::note(const Permit& permit, const Answer& answer, double rate, uint64_t now_ms,
                   uint64_t random) {
  if (is(permit, Permit::Kind::kProbe) || permit.kind == Permit::Kind::kOwn) ++probes_;
  switch (answer.outcome) {
    case Outcome::kCommitted:
    case Outcome::kRejected:
      answered(permit, answer, now_ms);
      break;
    case Outcome::kThrottled:
      throttled(permit, answer, rate, now_ms);
      break;
    case Outcome::kAmbiguous:
    case Outcome::kUnavailable:
    case Outcome::kNotAuthorized:
      failed(permit, answer, now_ms, random);
      break;
  }
}

void Breaker::there(uint64_t now_ms) {
  in_a_row_ = again_in_a_row_ = level_ = 0;
  answered_ms_ = std::max<uint64_t>(now_ms, 1);
}

void Breaker::answered(const Permit& permit, const Answer& answer, uint64_t now_ms) {
  there(now_ms);
  if (state_ == State::kOpen) {
    enter(State::kRamping, now_ms);
  } else if (is(permit, Permit::Kind::kPaced)) {
    pacer_.accepted(permit.asked_ms, answer.bytes, now_ms, !answer.refused_before);
  } else if (is(permit, Permit::Kind::kRamp)) {
    ramp_request_over();
    if (++window_ > kWindowMax) enter(State::kClosed, now_ms);
  }
}

// The service is there; the rate is learnt only from requests that went at it. A chunk that is
// refused again may be one of a shard that takes nothing at any rate.
void Breaker::throttled(const Permit& permit, const Answer& answer, double rate, uint64_t now_ms) {
  there(now_ms);
  if (state_ != State::kThrottled) {
    const bool known = throttles_ > 0 && now_ms < pacer_.felt_ms() + kRateKnownMs;
    enter(State::kThrottled, now_ms);
    pacer_.begin(known ? std::max(rate, pacer_.rate()) : rate, answer.bytes, now_ms);
    ++throttles_;
  } else if (is(permit, Permit::Kind::kPaced)) {
    pacer_.refused(permit.asked_ms, now_ms, !answer.refused_before);
  }
}

void Breaker::failed(const Permit& permit, const Answer& answer, uint64_t now_ms, uint64_t random) {
  // What was under way when it opened says nothing new.
  const bool probe = is(permit, Permit::Kind::kProbe);
  if (state_ == State::kOpen && !probe) return;
  if (answer.failed_before && !probe) {
    // What always fails would take up the time of the others.
    if (is(permit, Permit::Kind::kPaced)) pacer_.give_back(permit.gap_ms);
    if (++again_in_a_row_ >= kSureLevel) open(answer, now_ms, random);
    return;
  }
  if (in_a_row_ == 0) first_ms_ = now_ms;
  if (in_a_row_ == 0 || answer.chunk_id != last_failed_) ++level_;
  ++in_a_row_;
  last_failed_ = answer.chunk_id;
  if (probe) {
    probing_ = false;
    next_probe_ms_ = now_ms + wait_ms(level_, answer.retry_after_ms, random);
  } else if (in_a_row_ >= enough(now_ms)) {
    open(answer, now_ms, random);
  } else if (is(permit, Permit::Kind::kRamp)) {
    ramp_request_over();
    window_ = std::max<uint32_t>(1, window_ / 2);
  }
}

// Requests that are spaced and fail teach the pacer nothing: a probe and a ramp are faster.
uint32_t Breaker::enough(uint64_t now_ms) const {
  const bool lately = answered_ms_ != 0 && now_ms < answered_ms_ + kLatelyMs;
  return lately && state_ != State::kThrottled ? kEnoughLately : kEnough;
}

void Breaker::open(const Answer& answer, uint64_t now_ms, uint64_t random) {
  if (in_a_row_ == 0) first_ms_ = now_ms;
  in_a_row_ = std::max<uint32_t>(in_a_row_, 1);
  level_ = std::max<uint32_t>(level_, 2);
  enter(State::kOpen, now_ms);
  next_probe_ms_ = now_ms + wait_ms(level_, answer.retry_after_ms, random);
  next_own_ms_ = now_ms + backoff_.jittered(kOwnMs, random);
  ++opens_;
}

// What the service, or a table of its errors, asks for may be meant for a few chunks alone.
uint64_t Breaker::wait_ms(uint32_t level, uint64_t retry_after_ms, uint64_t random) const {
  if (level < kSureLevel) return std::min(backoff_.wait_ms(1, random), kFirstWaitMsMax);
  return std::max(backoff_.wait_ms(level - kSureLevel + 2, random), retry_after_ms);
}

}  // namespace millrace::flush
