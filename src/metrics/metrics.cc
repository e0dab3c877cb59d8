// SPDX-License-Identifier: Apache-2.0
#include "metrics/metrics.h"

#include <algorithm>

namespace millrace::metrics {
namespace {

constexpr MetricInfo kMetrics[] = {
#define COUNTER(id, name, label, value, help) {Kind::kCounter, name, label, value, help},
#define GAUGE(id, name, label, value, help) {Kind::kGauge, name, label, value, help},
#define HISTOGRAM(id, name, help)
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

constexpr HistogramInfo kHistograms[] = {
#define COUNTER(id, name, label, value, help)
#define GAUGE(id, name, label, value, help)
#define HISTOGRAM(id, name, help) {name, help},
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

}  // namespace

const MetricInfo& info_of(Metric metric) { return kMetrics[static_cast<size_t>(metric)]; }

const HistogramInfo& info_of(Histogram histogram) {
  return kHistograms[static_cast<size_t>(histogram)];
}

void Cells::observe(Histogram histogram, uint64_t nanoseconds) {
  Distribution& distribution = distributions_[static_cast<size_t>(histogram)];
  const auto bound = std::lower_bound(kBucketBoundsNs.begin(), kBucketBoundsNs.end(), nanoseconds);
  bump(distribution.buckets[static_cast<size_t>(bound - kBucketBoundsNs.begin())], 1);
  bump(distribution.sum_ns, nanoseconds);
}

Cells& Registry::make_cells(const std::string& output) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_.emplace_back();
  entry.output = output;
  return entry.cells;
}

uint64_t Registry::total(Metric metric) const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const Entry& entry : entries_) {
    sum += entry.cells.value(metric);
  }
  return sum;
}

uint64_t Registry::total(Metric metric, const std::string& output) const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const Entry& entry : entries_) {
    if (entry.output == output) sum += entry.cells.value(metric);
  }
  return sum;
}

std::vector<Registry::Sample> Registry::collect() const {
  const std::lock_guard lock(mutex_);
  std::vector<Sample> samples(1);
  for (const Entry& entry : entries_) {
    auto found = std::find_if(samples.begin(), samples.end(),
                              [&](const Sample& s) { return s.output == entry.output; });
    if (found == samples.end()) {
      found = samples.emplace(samples.end());
      found->output = entry.output;
    }
    for (size_t i = 0; i < kMetricCount; ++i) {
      const uint64_t value = entry.cells.values_[i].load(std::memory_order_relaxed);
      found->values[i] += value;
      found->touched[i] = found->touched[i] || value != 0;
    }
    for (size_t i = 0; i < kHistogramCount; ++i) {
      const auto& from = entry.cells.distributions_[i];
      for (size_t b = 0; b < from.buckets.size(); ++b) {
        found->histograms[i].buckets[b] += from.buckets[b].load(std::memory_order_relaxed);
      }
      found->histograms[i].sum_ns += from.sum_ns.load(std::memory_order_relaxed);
    }
  }
  return samples;
}

}  // namespace millrace::metrics
