// SPDX-License-Identifier: Apache-2.0
#include "flush/refusals.h"

#include <algorithm>
#include <cmath>

namespace millrace::flush {
namespace {

constexpr uint64_t kSettleMs = 1'000;  // what the service has saved up is used up
constexpr uint32_t kWindowAnswers = 16;
constexpr uint64_t kWindowMs = 1'000;
constexpr uint32_t kMany = 6;  // one in so many
constexpr double kFallen = 2.0 / 3;
constexpr double kReallyMore = 0.6;  // of twice as many
constexpr double kSure = 3.9;        // log(50)

}  // namespace

double Refusals::share() const {
  return (before_.refused + window_.refused + 0.5) / (before_.answers + window_.answers + 2);
}

void Refusals::Window::count(bool was_refused, double rate, uint64_t now_ms) {
  ++answers;
  refused += was_refused ? 1 : 0;
  rates += rate;
  const auto elapsed_ms = static_cast<double>(std::max<uint64_t>(now_ms - begun_ms, 1));
  pace = static_cast<double>(answers) / elapsed_ms / (rates / static_cast<double>(answers));
}

bool Refusals::many(const Window& window) { return window.refused * kMany > window.answers; }

Refusals::Step Refusals::count(bool refused, bool limited, double rate, uint64_t asked_ms,
                               uint64_t now_ms) {
  if (trial_) return weigh(refused, rate, asked_ms, now_ms);
  if (window_.answers == 0) window_.begun_ms = now_ms;
  window_.count(refused, rate, now_ms);
  window_.limited |= limited;
  highest_ = std::max(highest_, rate);
  if (window_.answers < kWindowAnswers || now_ms < window_.begun_ms + kWindowMs) {
    return Step::kGoOn;
  }
  if (window_.limited && due(rate, now_ms)) return begin_trial(rate, now_ms);
  before_ = window_;
  window_ = {};
  return Step::kGoOn;
}

bool Refusals::due(double rate, uint64_t now_ms) const {
  if (now_ms >= next_ms_) return true;
  return rate < highest_ * kFallen && many(before_) && many(window_);
}

Refusals::Step Refusals::begin_trial(double rate, uint64_t now_ms) {
  trial_ = true;
  tried_ = {.begun_ms = now_ms};
  settled_ = false;
  weight_ = 0;
  highest_ = rate;
  return Step::kTry;
}

// If it is the cause, half as many of the doubled requests are accepted. Until a service has given
// what it had saved up it may accept more, so only refusals are believed.
Refusals::Step Refusals::weigh(bool refused, double rate, uint64_t asked_ms, uint64_t now_ms) {
  if (asked_ms < tried_.begun_ms) return Step::kGoOn;
  tried_.count(refused, rate, now_ms);
  if (!settled_ && asked_ms >= tried_.begun_ms + kSettleMs) {
    settled_ = true;
    weight_ = 0;
  }
  const double unchanged = share();
  weight_ += refused ? std::log((1 + unchanged) / 2 / unchanged) : std::log(0.5);
  if (weight_ < kSure && (weight_ > -kSure || !settled_)) return Step::kGoOn;
  const bool cause = weight_ > 0;
  // Who has too few threads, or nothing to send, makes no more requests at twice the rate.
  if (!cause && tried_.pace > kReallyMore * window_.pace) {
    pause_ms_ = std::max(pause_ms_ / 2, kPauseMsMin);
    return begin_trial(rate, now_ms);
  }
  const bool none = !cause && tried_.refused + before_.refused + window_.refused == 0;
  trial_ = false;
  before_ = window_ = {};
  next_ms_ = now_ms + pause_ms_;
  pause_ms_ = std::min(pause_ms_ * 2, kPauseMsMax);
  return none ? Step::kGoOn : Step::kBack;
}

}  // namespace millrace::flush
