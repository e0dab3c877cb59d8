// SPDX-License-Identifier: Apache-2.0
// Many threads behind one breaker at a service that takes less than they have.

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <random>

#include "flush/breaker.h"

namespace millrace::flush {
namespace {

using output::Outcome;

// 8 workers with 16 flush threads each against one shard of 1 MiB a second: nobody is told by
// anybody but the answers. In virtual time.
class Storm : public ::testing::TestWithParam<uint64_t> {
 protected:
  Breaker breaker_{config::Buffer()};
};

TEST_P(Storm, Of128ThreadsFollowsTheCapacity) {
  constexpr uint64_t kBytes = 100'000;
  const uint64_t latency_ms = GetParam();
  constexpr uint64_t kThreads = 128;
  constexpr uint64_t kStartMs = 1'000;
  constexpr uint64_t kEndMs = 601'000;
  std::mt19937_64 random(11);
  double level = 1 << 20;
  std::multimap<uint64_t, std::pair<Permit, bool>> under_way;  // by the time of its answer
  std::map<uint64_t, uint64_t> per_ms;
  uint64_t seen = 0;
  uint64_t idle = kThreads;
  double asked = 0;
  double accepted = 0;
  for (uint64_t now = kStartMs; now < kEndMs; ++now) {
    level = std::min(1048576.0, level + static_cast<double>(now - seen) * 1048.576);
    seen = now;
    while (!under_way.empty() && under_way.begin()->first <= now) {
      const auto [permit, taken] = under_way.begin()->second;
      under_way.erase(under_way.begin());
      ++idle;
      breaker_.note(permit,
                    Answer{.outcome = taken ? Outcome::kCommitted : Outcome::kThrottled,
                           .chunk_id = ChunkId(),
                           .bytes = kBytes},
                    0, now, random());
    }
    for (; idle > 0; --idle) {
      Permit permit;
      if (breaker_.ask({.bytes = kBytes}, now, random(), permit) > 0) break;
      const bool taken = level >= kBytes;
      if (taken) level -= kBytes;
      under_way.emplace(now + latency_ms, std::pair(permit, taken));
      if (now < kStartMs + 60'000) continue;
      ++per_ms[now];
      asked += kBytes;
      if (taken) accepted += kBytes;
    }
  }
  const double capacity = 1048.576 * static_cast<double>(kEndMs - kStartMs - 60'000);
  uint64_t most = 0;
  for (const auto& [ms, requests] : per_ms) most = std::max(most, requests);
  std::printf(
      "    128 threads, replies after %lu ms: %.3f of the capacity asked, %.3f accepted, at most "
      "%lu "
      "requests in a millisecond\n",
      latency_ms, asked / capacity, accepted / capacity, most);
  EXPECT_GT(accepted / capacity, 0.95);
  EXPECT_LT(asked / capacity, 1.20);
  EXPECT_LE(most, 2U) << "no synchronised retries";
}

INSTANTIATE_TEST_SUITE_P(BreakerTest, Storm, ::testing::Values(1, 20, 100, 500));

}  // namespace
}  // namespace millrace::flush
