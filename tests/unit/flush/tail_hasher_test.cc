// SPDX-License-Identifier: Apache-2.0
#include "flush/tail_hasher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace millrace::flush {
namespace {

std::string noise(uint64_t seed, size_t bytes) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

TEST(TailHasher, AloneItIsMd5) {
  TailHasher hasher;
  TailHasher::Member alone(hasher);
  for (uint64_t n = 0; n < 100; ++n) {
    const std::string bytes = noise(n, n);
    EXPECT_EQ(alone.md5(bytes), millrace::md5(bytes));
  }
  // Nor does it stand still when others might have come and do not.
  const TailHasher::Member another(hasher);
  const TailHasher::Member a_third(hasher);
  for (uint64_t n = 0; n < 40; ++n) EXPECT_EQ(alone.md5("abc"), millrace::md5("abc"));
}

// Seven for four lanes, of different lengths: each gets its own, whoever hashed it.
TEST(TailHasher, ThreadsThatComeTogetherGetTheirOwn) {
  constexpr size_t kThreads = 7;
  constexpr size_t kRounds = 60;
  TailHasher hasher;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&hasher, &wrong, thread] {
      TailHasher::Member member(hasher);
      for (size_t round = 0; round < kRounds; ++round) {
        const std::string bytes = noise(round * kThreads + thread, 3000 * (thread + 1));
        if (member.md5(bytes) != millrace::md5(bytes)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace millrace::flush
