// SPDX-License-Identifier: Apache-2.0
#include "metrics/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <map>
#include <set>
#include <sstream>

#include "metrics/process.h"

namespace millrace::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// `name{labels}` -> value, of every sample line; each must occur once.
std::map<std::string, std::string> samples_of(const std::string& text) {
  std::map<std::string, std::string> samples;
  for (const std::string& line : lines_of(text)) {
    if (line.empty() || line[0] == '#') continue;
    const size_t blank = line.rfind(' ');
    EXPECT_TRUE(samples.emplace(line.substr(0, blank), line.substr(blank + 1)).second) << line;
  }
  return samples;
}

TEST(Exposition, ZeroRowsAreThere) {
  const Registry registry;
  const auto samples = samples_of(exposition(registry, "1.2.3"));
  EXPECT_EQ(samples.at("millrace_build_info{version=\"1.2.3\"}"), "1");
  EXPECT_EQ(samples.at("millrace_connections"), "0");
  EXPECT_EQ(samples.at("millrace_received_messages_total{mode=\"packed\"}"), "0");
  EXPECT_EQ(samples.at("millrace_discarded_entries_total{reason=\"too_deep\"}"), "0");
  EXPECT_EQ(samples.at("millrace_ack_latency_seconds_count"), "0");
  EXPECT_EQ(samples.at("millrace_ack_latency_seconds_bucket{le=\"+Inf\"}"), "0");
  EXPECT_GT(samples.size(), kMetricCount);
}

TEST(Exposition, FamiliesStandOnceWithTypeAndHelp) {
  Registry registry;
  registry.make_cells("a");
  std::set<std::string> names;
  for (const std::string& line : lines_of(exposition(registry, "1"))) {
    const std::string head = line.substr(0, 7);
    EXPECT_TRUE(head != "# TYPE " || names.insert(line).second) << line;
    EXPECT_TRUE(head != "# HELP " || line.back() == '.') << line;
  }
  EXPECT_EQ(names.count("# TYPE millrace_received_messages_total counter"), 1U);
  EXPECT_EQ(names.count("# TYPE millrace_connections gauge"), 1U);
  EXPECT_EQ(names.count("# TYPE millrace_buffer_sync_seconds histogram"), 1U);
}

TEST(Exposition, OutputsHaveTheirLabelFromTheStart) {
  Registry registry;
  registry.make_cells("");
  Cells& a = registry.make_cells("a");
  registry.make_cells("b\"\\\n");
  a.add(Metric::kPutCommitted, 3);
  auto samples = samples_of(exposition(registry, "1"));
  EXPECT_EQ(samples.at("millrace_flush_chunks_total{output=\"a\",outcome=\"committed\"}"), "3");
  EXPECT_EQ(
      samples.at("millrace_flush_chunks_total{output=\"b\\\"\\\\\\n\",outcome=\"committed\"}"),
      "0");
  EXPECT_EQ(samples.count("millrace_flush_chunks_total{outcome=\"committed\"}"), 0U);
  EXPECT_EQ(samples.at("millrace_connections"), "0");
  EXPECT_EQ(samples.count("millrace_connections{output=\"a\"}"), 0U);
}

TEST(Exposition, WhatCountedElsewhereIsNotHidden) {
  Registry registry;
  registry.make_cells("").add(Metric::kCommits, 2);
  registry.make_cells("a").add(Metric::kDiscardedUnmatched, 5);
  const auto samples = samples_of(exposition(registry, "1"));
  EXPECT_EQ(samples.at("millrace_buffer_commits_total"), "2");
  EXPECT_EQ(samples.at("millrace_buffer_commits_total{output=\"a\"}"), "0");
  EXPECT_EQ(samples.at("millrace_discarded_entries_total{output=\"a\",reason=\"unmatched\"}"), "5");
}

TEST(Exposition, ThreadsAreSummed) {
  Registry registry;
  registry.make_cells("").add(Metric::kConnections, 5);
  Cells& other = registry.make_cells("");
  other.add(Metric::kConnections, 2);
  other.subtract(Metric::kConnections, 3);
  EXPECT_EQ(samples_of(exposition(registry, "1")).at("millrace_connections"), "4");
}

TEST(Exposition, LargeCountsAreExact) {
  Registry registry;
  registry.make_cells("").add(Metric::kReceivedBytes, 9'007'199'254'740'991);
  EXPECT_EQ(std::stod(samples_of(exposition(registry, "1")).at("millrace_received_bytes_total")),
            9'007'199'254'740'991.0);
}

TEST(Exposition, HistogramsAreCumulativeSeconds) {
  Registry registry;
  Cells& cells = registry.make_cells("a");
  cells.observe(Histogram::kFlushSeconds, 50'000);
  cells.observe(Histogram::kFlushSeconds, 60'000);
  cells.observe(Histogram::kFlushSeconds, 90'000'000'000);
  const auto samples = samples_of(exposition(registry, "1"));
  const std::string name = "millrace_flush_seconds";
  EXPECT_EQ(std::stod(samples.at(name + "_sum{output=\"a\"}")), 90.00011);
  EXPECT_EQ(samples.at(name + "_count{output=\"a\"}"), "3");
  EXPECT_EQ(samples.at(name + "_bucket{output=\"a\",le=\"+Inf\"}"), "3");
  std::vector<double> bounds;
  std::vector<double> counts;
  for (const std::string& line : lines_of(exposition(registry, "1"))) {
    const std::string head = name + "_bucket{output=\"a\",le=\"";
    if (line.rfind(head, 0) != 0) continue;
    bounds.push_back(std::stod(line.substr(head.size())));
    counts.push_back(std::stod(line.substr(line.rfind(' '))));
  }
  ASSERT_EQ(bounds.size(), kBucketBoundsNs.size() + 1);
  EXPECT_DOUBLE_EQ(bounds[0], 50e-6);
  EXPECT_EQ(counts[0], 1);
  EXPECT_EQ(counts[1], 2);
  EXPECT_EQ(counts[kBucketBoundsNs.size() - 1], 2);
}

TEST(Exposition, BoundsAreShortDecimals) {
  Registry registry;
  registry.make_cells("a");
  const std::string head = "millrace_flush_seconds_bucket{output=\"a\",le=\"";
  std::string bounds;
  for (const std::string& line : lines_of(exposition(registry, "1"))) {
    if (line.rfind(head, 0) != 0) continue;
    bounds += line.substr(head.size(), line.rfind('"') - head.size()) + " ";
  }
  EXPECT_EQ(bounds,
            "5e-05 0.0001 0.0002 0.0005 0.001 0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5 1 2 5 10 30 "
            "60 +Inf ");
}

TEST(Process, TellsWhatTheSystemTells) {
  const ProcessSample sample = sample_process();
  EXPECT_GT(sample.resident_bytes, 1'000'000U);
  EXPECT_GE(sample.open_fds, 3U);
  EXPECT_GE(sample.max_fds, sample.open_fds);
  const auto now = static_cast<double>(std::time(nullptr));
  EXPECT_LE(sample.start_time_seconds, now + 2);
  EXPECT_GT(sample.start_time_seconds, now - 86'400);
  const int extra = ::dup(0);
  EXPECT_EQ(sample_process().open_fds, sample.open_fds + 1);
  ::close(extra);
}

}  // namespace
}  // namespace millrace::metrics
