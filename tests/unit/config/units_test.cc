// SPDX-License-Identifier: Apache-2.0
#include "config/units.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

TEST(Units, SizesArePowersOf1024) {
  EXPECT_EQ(parse_size("300k"), 307'200U);
  EXPECT_EQ(parse_size("64m"), 64ULL << 20);
  EXPECT_EQ(parse_size("8g"), 8ULL << 30);
  EXPECT_EQ(parse_size("1t"), 1ULL << 40);
  EXPECT_EQ(parse_size("1T"), 1ULL << 40);
  EXPECT_EQ(parse_size("300K"), 307'200U);
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("18446744073709551615"), 18'446'744'073'709'551'615ULL);
}

TEST(Units, SizesAreAnchored) {
  for (const char* text : {"", "k", "1.5m", "300KB", "300 k", " 300k", "300k ", "-1", "+1", "0x10",
                           "1e3", "18446744073709551616", "16777216t", "1ms", "1\n"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Units, DurationsAreMilliseconds) {
  EXPECT_EQ(parse_duration_ms("200ms"), 200U);
  EXPECT_EQ(parse_duration_ms("5s"), 5'000U);
  EXPECT_EQ(parse_duration_ms("5"), 5'000U);
  EXPECT_EQ(parse_duration_ms("1m"), 60'000U);
  EXPECT_EQ(parse_duration_ms("72h"), 259'200'000U);
  EXPECT_EQ(parse_duration_ms("1d"), 86'400'000U);
}

TEST(Units, DurationsAreAnchored) {
  for (const char* text : {"", "s", "1.5h", "1d12h", "1m30s", "5S", "5 s", "5sec", "-5s", "1k",
                           "18446744073709551615", "300000000000000d"}) {
    EXPECT_FALSE(parse_duration_ms(text)) << text;
  }
}

TEST(Units, TextsAreShortAndReadBack) {
  EXPECT_EQ(size_text(307'200), "300k");
  EXPECT_EQ(size_text(1 << 20), "1m");
  EXPECT_EQ(size_text(1025), "1025");
  EXPECT_EQ(size_text(0), "0");
  EXPECT_EQ(duration_text(90'000), "90s");
  EXPECT_EQ(duration_text(1'500), "1500ms");
  EXPECT_EQ(duration_text(86'400'000), "1d");
  EXPECT_EQ(duration_text(0), "0s");
  for (const uint64_t value : {1ULL, 999ULL, 1'000ULL, 61'000ULL, 3'600'000ULL, 1ULL << 40}) {
    EXPECT_EQ(parse_size(size_text(value)), value);
    EXPECT_EQ(parse_duration_ms(duration_text(value)), value);
  }
}

}  // namespace
}  // namespace millrace::config
