// SPDX-License-Identifier: Apache-2.0
#include "format/json_number.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

namespace millrace::format {
namespace {

std::string json(double value) {
  char room[kNumberRoomBytes];
  return {room, put_double(room, value)};
}

std::string ruby(double value) {
  char room[kNumberRoomBytes];
  return {room, put_ruby_float(room, value)};
}

// Float#to_s by its definition: the fewest digits that read back as the same value, by trial.
std::string ruby_by_trial(double value) {
  char text[64];
  int precision = 0;
  do {
    std::snprintf(text, sizeof text, "%.*e", precision++, std::fabs(value));
  } while (std::strtod(text, nullptr) != std::fabs(value));
  std::string digits;
  const char* p = text;
  for (; *p != 'e'; ++p) {
    if (*p != '.') digits += *p;
  }
  const int point = std::atoi(p + 1) + 1;
  const std::string sign = value < 0 ? "-" : "";
  const auto size = static_cast<int>(digits.size());
  if (point > 16 || point <= -4) {
    std::snprintf(text, sizeof text, "e%+03d", point - 1);
    return sign + digits[0] + '.' + (size > 1 ? digits.substr(1) : "0") + text;
  }
  if (point <= 0) return sign + "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  if (size > point) digits.insert(static_cast<size_t>(point), ".");
  if (size <= point) digits += std::string(static_cast<size_t>(point - size), '0') + ".0";
  return sign + digits;
}

TEST(JsonNumber, WritesIntegersExactly) {
  char room[kNumberRoomBytes];
  for (const uint64_t value : {uint64_t{0}, uint64_t{9}, uint64_t{10}, uint64_t{99}, uint64_t{100},
                               uint64_t{101}, uint64_t{999}, uint64_t{1000}, uint64_t{9999},
                               uint64_t{10000}, std::numeric_limits<uint64_t>::max()}) {
    EXPECT_EQ(std::string(room, put_unsigned(room, value)), std::to_string(value));
  }
  for (uint64_t value = 0; value < 20000; ++value) {
    ASSERT_EQ(std::string(room, put_unsigned(room, value)), std::to_string(value));
  }
  EXPECT_EQ(std::string(room, put_signed(room, std::numeric_limits<int64_t>::min())),
            "-9223372036854775808");
}

// The values of Oj in compat mode.
TEST(JsonNumber, WritesFloatsAsOj) {
  EXPECT_EQ(json(0.0), "0.0");
  EXPECT_EQ(json(-0.0), "0.0");
  EXPECT_EQ(json(1.0), "1.0");
  EXPECT_EQ(json(-1.0), "-1.0");
  EXPECT_EQ(json(1.5), "1.5");
  EXPECT_EQ(json(1e15), "1000000000000000.0");
  EXPECT_EQ(json(1e16), "10000000000000000.0");
  EXPECT_EQ(json(1.2345678901234568e17), "123456789012345680.0");
  EXPECT_EQ(json(-0x1p63), "-9223372036854775808.0");
  EXPECT_EQ(json(0x1p63), "9.223372036854776e+18");
  EXPECT_EQ(json(1e20), "1.0e+20");
  EXPECT_EQ(json(1e100), "1.0e+100");
  EXPECT_EQ(json(1e-5), "1.0e-05");
  EXPECT_EQ(json(1e-4), "0.0001");
  EXPECT_EQ(json(0.00012345), "0.00012345");
  EXPECT_EQ(json(1.25e-5), "1.25e-05");
  EXPECT_EQ(json(5e-324), "5.0e-324");
  EXPECT_EQ(json(1.7976931348623157e+308), "1.7976931348623157e+308");
  EXPECT_EQ(json(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(json(static_cast<double>(0.1F)), "0.10000000149011612");
  EXPECT_EQ(json(0.23682), "0.23682");
  EXPECT_EQ(json(1700000000.123456), "1700000000.123456");
}

TEST(JsonNumber, WritesFloatsAsRuby) {
  EXPECT_EQ(ruby(-0.0), "-0.0");
  EXPECT_EQ(ruby(100.0), "100.0");
  EXPECT_EQ(ruby(1e15), "1000000000000000.0");
  EXPECT_EQ(ruby(1e16), "1.0e+16");
  EXPECT_EQ(ruby(std::nan("")), "NaN");
  EXPECT_EQ(ruby(-INFINITY), "-Infinity");
  EXPECT_EQ(ruby(INFINITY), "Infinity");
}

RC_GTEST_PROP(JsonNumber, AnyFloatHasRubysDigits, (uint64_t bits)) {
  const auto value = std::bit_cast<double>(bits);
  RC_PRE(std::isfinite(value) && value != 0);
  RC_ASSERT(ruby(value) == ruby_by_trial(value));
}

// RapidCheck's integers are small; these are the values that the way for few decimals takes.
RC_GTEST_PROP(JsonNumber, FewDecimalsHaveRubysDigits, ()) {
  const auto digits = *rc::gen::inRange<int64_t>(1, 1'000'000'000'000'000);
  const auto shift = *rc::gen::inRange(0, 12);
  const double value = static_cast<double>(digits) / std::pow(10.0, shift);
  RC_ASSERT(ruby(value) == ruby_by_trial(value));
  RC_ASSERT(ruby(-value) == ruby_by_trial(-value));
  const double next = std::nextafter(value, 0.0);
  RC_ASSERT(ruby(next) == ruby_by_trial(next));
}

RC_GTEST_PROP(JsonNumber, FloatsReadBack, ()) {
  const auto bits = *rc::gen::inRange<uint64_t>(0, 0x7ff0000000000000);
  const auto value = std::bit_cast<double>(bits);
  const std::string text = json(value);
  RC_ASSERT(text.size() <= 26U);
  RC_ASSERT(std::strtod(text.c_str(), nullptr) == value);
}

}  // namespace
}  // namespace millrace::format
