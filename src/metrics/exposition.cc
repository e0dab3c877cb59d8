// SPDX-License-Identifier: Apache-2.0
#include "metrics/exposition.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <vector>

#include "metrics/process.h"

namespace millrace::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// To divide by it gives the double next to the decimal number: le="60", not 60.00000000000001.
constexpr double kNanosecondsPerSecond = 1e9;

// From this row on metrics.def speaks of buffers and outputs.
constexpr Metric kFirstOfOutputs = Metric::kStoredRequests;
constexpr Histogram kFirstHistogramOfOutputs = Histogram::kSyncSeconds;

// Whether a series stands in the text: where its row belongs, and wherever it has counted.
bool is_shown(const Registry::Sample& sample, bool row_of_outputs, bool has_outputs, bool touched) {
  if (touched) return true;
  return sample.output.empty() ? !row_of_outputs || !has_outputs : row_of_outputs;
}

std::vector<ClientMetric::Label> labels_of(const Registry::Sample& sample, const char* name = "",
                                           const char* value = "") {
  std::vector<ClientMetric::Label> labels;
  if (!sample.output.empty()) labels.push_back({"output", sample.output});
  if (name[0] != '\0') labels.push_back({name, value});
  return labels;
}

class Families {
 public:
  explicit Families(const Registry& registry)
      : samples_(registry.collect()), has_outputs_(samples_.size() > 1) {}

  std::vector<MetricFamily> make(const std::string& version) {
    add_process(version);
    for (size_t i = 0; i < kMetricCount; ++i) add_row(static_cast<Metric>(i));
    for (size_t i = 0; i < kHistogramCount; ++i) add_histogram(static_cast<Histogram>(i));
    return std::move(families_);
  }

 private:
  MetricFamily& add_family(std::string name, const char* help, MetricType type) {
    return families_.emplace_back(MetricFamily{std::move(name), help, type, {}});
  }

  void add_gauge(const char* name, const char* help, double value) {
    add_family(name, help, MetricType::Gauge).metric.emplace_back().gauge.value = value;
  }

  void add_process(const std::string& version) {
    ClientMetric build;
    build.label = {{"version", version}};
    build.gauge.value = 1;
    add_family("millrace_build_info", "The version that runs; always 1.", MetricType::Gauge)
        .metric.push_back(build);
    const ProcessSample process = sample_process();
    add_family("process_cpu_seconds_total", "User and system time of the process.",
               MetricType::Counter)
        .metric.emplace_back()
        .counter.value = process.cpu_seconds;
    add_gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.",
              static_cast<double>(process.resident_bytes));
    add_gauge("process_open_fds", "Open file descriptors.", static_cast<double>(process.open_fds));
    add_gauge("process_max_fds", "The limit of open file descriptors.",
              static_cast<double>(process.max_fds));
    add_gauge("process_start_time_seconds", "When the process started, in seconds since 1970.",
              process.start_time_seconds);
  }

  // Rows of one name stand together in metrics.def and make one family.
  void add_row(Metric metric) {
    const MetricInfo& info = info_of(metric);
    const std::string name = std::string("millrace_") + info.name;
    if (families_.empty() || families_.back().name != name) {
      add_family(name, info.help,
                 info.kind == Kind::kCounter ? MetricType::Counter : MetricType::Gauge);
    }
    const auto index = static_cast<size_t>(metric);
    for (const Registry::Sample& sample : samples_) {
      if (!is_shown(sample, metric >= kFirstOfOutputs, has_outputs_, sample.touched[index])) {
        continue;
      }
      ClientMetric series;
      series.label = labels_of(sample, info.label, info.label_value);
      const auto value = static_cast<double>(sample.values[index]);
      (info.kind == Kind::kCounter ? series.counter.value : series.gauge.value) = value;
      families_.back().metric.push_back(series);
    }
  }

  void add_histogram(Histogram histogram) {
    const HistogramInfo& info = info_of(histogram);
    MetricFamily& family =
        add_family(std::string("millrace_") + info.name, info.help, MetricType::Histogram);
    for (const Registry::Sample& sample : samples_) {
      const auto& values = sample.histograms[static_cast<size_t>(histogram)];
      ClientMetric series;
      series.label = labels_of(sample);
      uint64_t count = 0;
      for (size_t b = 0; b < values.buckets.size(); ++b) {
        count += values.buckets[b];
        const double bound = b < kBucketBoundsNs.size()
                                 ? static_cast<double>(kBucketBoundsNs[b]) / kNanosecondsPerSecond
                                 : std::numeric_limits<double>::infinity();
        series.histogram.bucket.push_back({count, bound});
      }
      series.histogram.sample_count = count;
      series.histogram.sample_sum = static_cast<double>(values.sum_ns) / kNanosecondsPerSecond;
      if (is_shown(sample, histogram >= kFirstHistogramOfOutputs, has_outputs_, count > 0)) {
        family.metric.push_back(series);
      }
    }
  }

  const std::vector<Registry::Sample> samples_;
  const bool has_outputs_;
  std::vector<MetricFamily> families_;
};

}  // namespace

std::string exposition(const Registry& registry, const std::string& version) {
  return prometheus::TextSerializer().Serialize(Families(registry).make(version));
}

}  // namespace millrace::metrics
