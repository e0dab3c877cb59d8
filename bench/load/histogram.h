// SPDX-License-Identifier: Apache-2.0
#pragma once

// Histogram of durations in nanoseconds: 64 linear steps in every power of two (the layout of
// HdrHistogram), so that a percentile is at most 1.6 % too high. Fixed memory, no allocation.
// Invariant: the sum of all counts is count(). One thread.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace millrace::bench {

class Histogram {
 public:
  void record(uint64_t ns) {
    ++counts_[index(ns)];
    ++count_;
    sum_ns_ += ns;
    max_ns_ = std::max(max_ns_, ns);
  }

  uint64_t count() const { return count_; }
  uint64_t max_ns() const { return max_ns_; }
  uint64_t mean_ns() const { return count_ == 0 ? 0 : sum_ns_ / count_; }

  /// The highest duration of the step that holds the sample at `fraction` (0 to 1) of all samples.
  uint64_t percentile_ns(double fraction) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<uint64_t>(fraction * static_cast<double>(count_));
    uint64_t passed = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      passed += counts_[i];
      if (passed > wanted || passed == count_) return std::min(highest(i), max_ns_);
    }
    return max_ns_;
  }

 private:
  static constexpr unsigned kStepBits = 6;
  static constexpr size_t kSteps = size_t{1} << kStepBits;

  // Values below 128 are their own index; above, the exponent and the 6 bits after the first.
  static size_t index(uint64_t ns) {
    if (ns < 2 * kSteps) return static_cast<size_t>(ns);
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - kStepBits - 1;
    return shift * kSteps + static_cast<size_t>(ns >> shift);
  }
  static uint64_t highest(size_t i) {
    if (i < 2 * kSteps) return i;
    const size_t shift = i / kSteps - 1;
    return ((static_cast<uint64_t>(i % kSteps + kSteps) + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  uint64_t max_ns_ = 0;
};

}  // namespace millrace::bench
