// SPDX-License-Identifier: Apache-2.0
#include "ingest/refusals.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::ingest {
namespace {

TEST(Refusals, TheThirdTimeIsEnough) {
  Refusals refusals;
  EXPECT_FALSE(refusals.is_enough("a", "chunk"));
  EXPECT_FALSE(refusals.is_enough("a", "chunk"));
  EXPECT_FALSE(refusals.is_enough("b", "chunk"));  // another message
  EXPECT_TRUE(refusals.is_enough("a", "chunk"));
  EXPECT_TRUE(refusals.is_enough("a", "chunk"));  // the commit failed, it comes again
}

// What is enough is not sent again; the rest comes round.
size_t rounds_until_all_are_enough(size_t messages) {
  Refusals refusals;
  std::vector<std::string> chunks;
  for (size_t i = 0; i < messages; ++i) chunks.push_back("chunk-" + std::to_string(i));
  size_t rounds = 0;
  for (; !chunks.empty() && rounds < 1000; ++rounds) {
    std::erase_if(chunks, [&](const std::string& chunk) { return refusals.is_enough("a", chunk); });
  }
  return rounds;
}

TEST(Refusals, ManyMoreThanAreRememberedEndAllTheSame) {
  EXPECT_EQ(rounds_until_all_are_enough(1000), 3U);
  EXPECT_LT(rounds_until_all_are_enough(Refusals::kSets * Refusals::kWays * 2), 100U);
}

}  // namespace
}  // namespace millrace::ingest
