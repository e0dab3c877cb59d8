// SPDX-License-Identifier: Apache-2.0
#include "flush/pacer.h"

#include <algorithm>
#include <cmath>

namespace millrace::flush {
namespace {

// Where refusals are r of all requests, r * log(kLower) = (1 - r) * log(kRaise): r is 1 in 15.
constexpr double kLower = 0.95;
constexpr double kLowerFast = 0.7;
constexpr double kRaise = 1.0035;
constexpr uint32_t kSearchAgain = 64;  // acceptances in a row: the rate is far too low
constexpr double kSearch = 1.5;
constexpr uint64_t kSearchMs = 100;
constexpr uint32_t kFound = 2;                  // so many acceptances in a row end the fall
constexpr double kFirstGuessPerMs = 1.0 / 500;  // requests: two a second
constexpr double kGapMsMax = 1000;              // while it accepts some: one a second does no harm
constexpr uint64_t kBytesMin = 1024;  // a shard takes 1 MB and 1000 records a second: 1 kB a record

}  // namespace

void Pacer::begin(double rate, uint64_t bytes, uint64_t now_ms) {
  bytes_ = std::max(bytes, kBytesMin);
  rate_ = std::max(rate, static_cast<double>(bytes_) * kFirstGuessPerMs);
  next_ms_ = static_cast<double>(now_ms);
  accepted_in_a_row_ = 0;
  refused_in_a_row_ = 1;
  limited_ = false;
  lowered_ms_ = now_ms;
  raised_ms_ = now_ms;
  phase_ = Phase::kSearching;
  refusals_.forget();
  felt_ms_ = now_ms;
}

uint64_t Pacer::ask(uint64_t bytes, uint64_t now_ms, uint64_t random, double& gap_ms) {
  const auto now = static_cast<double>(now_ms);
  if (now < next_ms_) {
    felt_ms_ = now_ms;
    limited_ = true;
    return static_cast<uint64_t>(std::ceil(next_ms_ - now));
  }
  bytes_ = std::max(bytes, kBytesMin);
  gap_ms = gap_of(bytes_, 0.75 + 0.5 * static_cast<double>(random >> 11) * 0x1.0p-53);
  // One that came late does not shift all that follow; but what nobody used is not made up for.
  next_ms_ = std::max(next_ms_, now - gap_ms) + gap_ms;
  return 0;
}

double Pacer::gap_of(uint64_t bytes, double spread) const {
  const bool first = phase_ == Phase::kSearching && refused_in_a_row_ <= 1;
  const double most = first ? 1 / kFirstGuessPerMs : kGapMsMax;
  const auto limit = static_cast<double>(interval_ms_max_);
  return std::min(static_cast<double>(bytes) / rate_ * spread,
                  stalled() ? limit : std::min(most * spread, limit));
}

void Pacer::correct(uint64_t asked_bytes, uint64_t bytes, double& gap_ms) {
  asked_bytes = std::max(asked_bytes, kBytesMin);
  bytes_ = std::max(bytes, kBytesMin);
  const double spread = std::clamp(gap_ms * rate_ / static_cast<double>(asked_bytes), 0.75, 1.25);
  const double gap = gap_of(bytes_, spread);
  next_ms_ += gap - gap_ms;
  gap_ms = gap;
}

// What was booked at a lower rate is over sooner.
void Pacer::raise(double rate, uint64_t now_ms) {
  const auto now = static_cast<double>(now_ms);
  if (next_ms_ > now) next_ms_ = now + (next_ms_ - now) * rate_ / rate;
  rate_ = rate;
}

void Pacer::accepted(uint64_t asked_ms, uint64_t bytes, uint64_t now_ms, bool first) {
  if (stalled()) phase_ = Phase::kSearching;
  refused_in_a_row_ = 0;
  ++accepted_in_a_row_;
  if (phase_ == Phase::kFalling && accepted_in_a_row_ >= kFound) phase_ = Phase::kSettled;
  if (phase_ == Phase::kSearching) {
    const auto known = static_cast<double>(std::max(bytes, kBytesMin)) * kFirstGuessPerMs;
    if (known > rate_) raise(known, now_ms);
  }
  if (first) count(false, asked_ms, now_ms);
  // It says nothing of a rate that nobody came up to; a trial is of one rate.
  if (!limited_ || refusals_.trial()) return;
  if (phase_ == Phase::kSettled && accepted_in_a_row_ >= kSearchAgain) {
    phase_ = Phase::kSearching;
  }
  if (phase_ == Phase::kSearching) {
    if (asked_ms < raised_ms_ || now_ms < raised_ms_ + kSearchMs) return;
    raised_ms_ = now_ms;
    raise(rate_ * kSearch, now_ms);
  } else {
    rate_ *= kRaise;
  }
  limited_ = false;
}

// Requests that were under way together are refused together: they count as one.
void Pacer::refused(uint64_t asked_ms, uint64_t now_ms, bool first) {
  felt_ms_ = now_ms;
  if (!first) return;
  if (phase_ == Phase::kSearching && accepted_in_a_row_ > 0) phase_ = Phase::kFalling;
  accepted_in_a_row_ = 0;
  count(true, asked_ms, now_ms);
  if (asked_ms < lowered_ms_) return;
  lowered_ms_ = now_ms;
  ++refused_in_a_row_;
  const bool fast = stalled() || phase_ == Phase::kFalling;
  if (refusals_.trial() && !fast) return;
  const auto limit = static_cast<double>(std::max<uint64_t>(interval_ms_max_, 1));
  const double slowest =
      static_cast<double>(bytes_) / (stalled() ? limit : std::min(limit, kGapMsMax));
  rate_ = std::max(rate_ * (fast ? kLowerFast : kLower), std::min(rate_, slowest));
}

void Pacer::count(bool refused, uint64_t asked_ms, uint64_t now_ms) {
  if (phase_ != Phase::kSettled) return;
  if (stalled()) return refusals_.give_up();
  switch (refusals_.count(refused, limited_, rate_, asked_ms, now_ms)) {
    case Refusals::Step::kGoOn:
      break;
    case Refusals::Step::kTry:
      rate_before_ = rate_;
      raise(rate_ * 2, now_ms);
      break;
    case Refusals::Step::kBack:
      rate_ = rate_before_;
      break;
  }
}

}  // namespace millrace::flush
