// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counters, gauges and histograms. Each thread owns a Cells and is its only writer, so adding is a
// plain load and store; a scrape sums the cells of all threads. Which metrics exist is one table,
// metrics.def. Does not know who serves them.
// Invariant: a Cells made by a Registry lives as long as the Registry.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace millrace::metrics {

enum class Metric : uint16_t {
#define COUNTER(id, name, label, value, help) id,
#define GAUGE(id, name, label, value, help) id,
#define HISTOGRAM(id, name, help)
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
  kCount
};

enum class Histogram : uint16_t {
#define COUNTER(id, name, label, value, help)
#define GAUGE(id, name, label, value, help)
#define HISTOGRAM(id, name, help) id,
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
  kCount
};

enum class Kind : uint8_t { kCounter, kGauge };

/// One row of metrics.def; label and help may be "" (a later row of a name has no help of its own).
struct MetricInfo {
  Kind kind;
  const char* name;  // without the prefix millrace_
  const char* label;
  const char* label_value;
  const char* help;
};

struct HistogramInfo {
  const char* name;
  const char* help;
};

constexpr size_t kMetricCount = static_cast<size_t>(Metric::kCount);
constexpr size_t kHistogramCount = static_cast<size_t>(Histogram::kCount);
/// Upper bounds in nanoseconds, 1-2-5 from 50 us to 60 s; one more bucket takes the rest.
constexpr std::array<uint64_t, 19> kBucketBoundsNs = {
    50'000,        100'000,        200'000,        500'000,       1'000'000,
    2'000'000,     5'000'000,      10'000'000,     20'000'000,    50'000'000,
    100'000'000,   200'000'000,    500'000'000,    1'000'000'000, 2'000'000'000,
    5'000'000'000, 10'000'000'000, 30'000'000'000, 60'000'000'000};

const MetricInfo& info_of(Metric metric);
const HistogramInfo& info_of(Histogram histogram);

/// The values of one thread, or of one thread for one output.
class Cells {
 public:
  Cells() = default;
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;

  /// Owner thread only.
  void add(Metric metric, uint64_t count = 1) { bump(values_[index(metric)], count); }
  void subtract(Metric metric, uint64_t count = 1) { bump(values_[index(metric)], ~count + 1); }
  void set(Metric metric, uint64_t value) {
    values_[index(metric)].store(value, std::memory_order_relaxed);
  }
  void observe(Histogram histogram, uint64_t nanoseconds);

  /// Any thread.
  uint64_t value(Metric metric) const {
    return values_[index(metric)].load(std::memory_order_relaxed);
  }

 private:
  friend class Registry;
  struct Distribution {
    std::array<std::atomic<uint64_t>, kBucketBoundsNs.size() + 1> buckets{};
    std::atomic<uint64_t> sum_ns{0};
  };

  static size_t index(Metric metric) { return static_cast<size_t>(metric); }
  static void bump(std::atomic<uint64_t>& cell, uint64_t count) {
    cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, kMetricCount> values_{};
  std::array<Distribution, kHistogramCount> distributions_{};
};

/// Owns all Cells. make_cells and the readers may be called from any thread.
class Registry {
 public:
  /// New cells for one thread; `output` is the label value of outputs' metrics, "" for none.
  Cells& make_cells(const std::string& output);

  /// Sum over all cells (of one output, if given).
  uint64_t total(Metric metric) const;
  uint64_t total(Metric metric, const std::string& output) const;

  struct Sample {
    std::string output;  // "" for none
    std::array<uint64_t, kMetricCount> values{};
    std::array<bool, kMetricCount> touched{};  // non-zero in some cell
    struct Histogram {
      std::array<uint64_t, kBucketBoundsNs.size() + 1> buckets{};
      uint64_t sum_ns = 0;
    };
    std::array<Histogram, kHistogramCount> histograms{};
  };
  /// One sample per distinct output label, "" first.
  std::vector<Sample> collect() const;

 private:
  struct Entry {
    std::string output;
    Cells cells;
  };
  mutable std::mutex mutex_;   // guards entries_; cells are read without it
  std::deque<Entry> entries_;  // never shrinks, so references stay
};

}  // namespace millrace::metrics
