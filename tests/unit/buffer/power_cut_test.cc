// SPDX-License-Identifier: Apache-2.0
// Random workloads on a disk that loses what was not synced, cut at random points, also during the
// recovery. The oracle: every record of an acked request is delivered or still there, nothing is
// altered or invented, and every delivery of one chunk id has the same bytes.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "io/lossy.h"
#include "tests/support/log_harness.h"
#include "tests/support/sanitized.h"

namespace millrace::buffer {
namespace {

using testing::LogHarness;

struct Oracle {
  std::set<std::string> sent;
  std::set<std::string> acked;
  std::set<std::string> delivered;
  std::map<std::string, std::string> bytes_of_key;
  uint64_t repeated = 0;

  // False if a chunk id came with other bytes than before, with a record nobody sent, or damaged:
  // a disk that only forgets what was not synced damages nothing that was stored.
  bool deliver(const LogHarness::Taken& taken) {
    if (taken.loaded.damaged) return false;
    const std::string& key = taken.loaded.seal.open.partition_key;
    const auto [place, fresh] = bytes_of_key.emplace(key, taken.loaded.bytes);
    if (!fresh && place->second != taken.loaded.bytes) return false;
    repeated += fresh ? 0 : 1;
    std::string body = taken.loaded.bytes.substr(4);
    for (size_t at = 0; at < body.size();) {
      const size_t end = body.find(';', at);
      if (end == std::string::npos) return false;
      const std::string record = body.substr(at, end + 1 - at);
      if (!sent.contains(record)) return false;
      delivered.insert(record);
      at = end + 1;
    }
    return true;
  }
};

class Workload {
 public:
  Workload(uint64_t seed, io::LossyFileSystem& files) : rng_(seed), files_(files), harness_(files) {
    harness_.profile.chunk_bytes_max = 2000 + rng_() % 60'000;
  }

  // One life of the process: some requests, some deliveries, then a kill or a power cut.
  void live() {
    if (!harness_.start()) FAIL() << "a start failed";
    ASSERT_EQ(harness_.registry.total(metrics::Metric::kMissingSegments), 0U);
    const int steps = static_cast<int>(rng_() % 30);
    std::vector<std::string> pending;
    for (int i = 0; i < steps; ++i) {
      switch (rng_() % 6) {
        case 0:
        case 1:
        case 2:
          append(pending);
          break;
        case 3:
          if (harness_.commit()) acked(pending);
          break;
        case 4:
          harness_.log().appender().seal_all(SealReason::kForced);
          break;
        default:
          deliver_some();
      }
      if (rng_() % 8 == 0) harness_.log().tend();
    }
    die();
  }

  void last_life() {
    ASSERT_TRUE(harness_.start());
    while (auto taken = harness_.take()) {
      ASSERT_TRUE(oracle.deliver(*taken));
      harness_.finish(*taken);
    }
    for (const std::string& record : oracle.acked) {
      if (!oracle.delivered.contains(record)) ++lost;
    }
    EXPECT_EQ(harness_.registry.total(metrics::Metric::kCorruptBytes), 0U);
    EXPECT_EQ(harness_.registry.total(metrics::Metric::kMissingSegments), 0U);
    harness_.stop();
  }

  Oracle oracle;
  uint64_t lost = 0;

 private:
  void append(std::vector<std::string>& pending) {
    std::vector<std::string> records;
    const int count = 1 + static_cast<int>(rng_() % 5);
    for (int i = 0; i < count; ++i) {
      std::string record = "r" + std::to_string(++number_) + ":";
      record.append(rng_() % (rng_() % 10 == 0 ? 300'000 : 600), 'p');
      records.push_back(record + ";");
    }
    harness_.append(records);
    oracle.sent.insert(records.begin(), records.end());
    pending.insert(pending.end(), records.begin(), records.end());
  }

  void acked(std::vector<std::string>& pending) {
    oracle.acked.insert(pending.begin(), pending.end());
    pending.clear();
  }

  void deliver_some() {
    auto taken = harness_.take();
    if (!taken) return;
    ASSERT_TRUE(oracle.deliver(*taken));
    if (rng_() % 4 != 0) harness_.finish(*taken);  // else the process dies before the line
  }

  void die() {
    harness_.stop();
    if (rng_() % 3 == 0) return;  // kill -9: the page cache survives
    const bool some_survive = rng_() % 2 == 0;
    files_.cut_power([&] { return some_survive && rng_() % 2 == 0; });
  }

  std::mt19937_64 rng_;
  io::LossyFileSystem& files_;
  LogHarness harness_;
  uint64_t number_ = 0;
};

TEST(PowerCut, AckedRecordsSurviveAnySequenceOfKillsAndCuts) {
  uint64_t acked = 0;
  uint64_t repeated = 0;
  constexpr uint64_t kSeeds = testing::unless_sanitized(150, 40);
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    io::LossyFileSystem files;
    Workload workload(seed, files);
    for (int life = 0; life < 4; ++life) {
      workload.live();
      if (HasFatalFailure()) return;
    }
    workload.last_life();
    if (HasFatalFailure()) return;
    ASSERT_EQ(workload.lost, 0U);
    acked += workload.oracle.acked.size();
    repeated += workload.oracle.repeated;
  }
  std::printf("seeds %lu, acked %lu, repeated chunks %lu, lost 0\n", kSeeds, acked, repeated);
  EXPECT_GT(acked, 1000U);
}

}  // namespace
}  // namespace millrace::buffer
