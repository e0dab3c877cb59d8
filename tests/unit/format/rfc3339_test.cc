// SPDX-License-Identifier: Apache-2.0
#include "format/rfc3339.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdio>
#include <ctime>
#include <limits>
#include <string>

namespace millrace::format {
namespace {

std::string text_of(EventTime time) {
  char room[kRfc3339RoomBytes];
  return {room, Rfc3339Writer().write(time, room)};
}

TEST(Rfc3339, WritesSecondsWithoutFraction) {
  EXPECT_EQ(text_of({1293974055, 0}), "2011-01-02T13:14:15Z");
  EXPECT_EQ(text_of({0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(text_of({951782400, 0}), "2000-02-29T00:00:00Z");
  EXPECT_EQ(text_of({4294967295, 0}), "2106-02-07T06:28:15Z");
}

TEST(Rfc3339, WritesNineFractionDigitsWhenThereAreNanoseconds) {
  EXPECT_EQ(text_of({1293974055, 123456789}), "2011-01-02T13:14:15.123456789Z");
  EXPECT_EQ(text_of({1293974055, 5}), "2011-01-02T13:14:15.000000005Z");
  EXPECT_EQ(text_of({1293974055, 999999999}), "2011-01-02T13:14:15.999999999Z");
  EXPECT_EQ(text_of({1293974055, 100000000}), "2011-01-02T13:14:15.100000000Z");
}

// The calendar repeats after 400 years; of the years that end a century only one is a leap year.
TEST(Rfc3339, CountsEveryDayOfFourCenturies) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t second = 0;
  for (int year = 1970; year < 2370; ++year) {
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    for (int month = 1; month <= 12; ++month) {
      const int days = kDays[month - 1] + (leap && month == 2 ? 1 : 0);
      for (int day = 1; day <= days; ++day, second += 86'400) {
        char date[64];  // as long as any ints would need, for the compiler's sake
        std::snprintf(date, sizeof date, "%04d-%02d-%02dT00:00:00Z", year, month, day);
        ASSERT_EQ(text_of({second, 0}), date);
      }
    }
  }
}

TEST(Rfc3339, WritesTimesBefore1970) {
  EXPECT_EQ(text_of({-1, 0}), "1969-12-31T23:59:59Z");
  EXPECT_EQ(text_of({-1, 1}), "1969-12-31T23:59:59.000000001Z");
  EXPECT_EQ(text_of({-62135596800, 0}), "0001-01-01T00:00:00Z");
  EXPECT_EQ(text_of({-62167219200, 0}), "0000-01-01T00:00:00Z");
}

TEST(Rfc3339, GivesOtherYearsASignAndAllDigits) {
  EXPECT_EQ(text_of({253402300799, 0}), "9999-12-31T23:59:59Z");
  EXPECT_EQ(text_of({253402300800, 0}), "+10000-01-01T00:00:00Z");
  EXPECT_EQ(text_of({1700000000000, 0}), "+55840-11-08T22:13:20Z");
  EXPECT_EQ(text_of({-62167219201, 0}), "-0001-12-31T23:59:59Z");
}

TEST(Rfc3339, StaysInItsRoomAtTheEndsOfTime) {
  EXPECT_EQ(text_of({std::numeric_limits<int64_t>::max(), 999999999}),
            "+292277026596-12-04T15:30:07.999999999Z");
  EXPECT_EQ(text_of({std::numeric_limits<int64_t>::min(), 999999999}),
            "-292277022657-01-27T08:29:52.999999999Z");
}

TEST(Rfc3339, KeepsTheSecondApartFromItsFraction) {
  Rfc3339Writer writer;
  char room[kRfc3339RoomBytes];
  const auto write = [&](EventTime time) { return std::string(room, writer.write(time, room)); };
  EXPECT_EQ(write({1293974055, 5}), "2011-01-02T13:14:15.000000005Z");
  EXPECT_EQ(write({1293974055, 0}), "2011-01-02T13:14:15Z");
  EXPECT_EQ(write({1293974056, 0}), "2011-01-02T13:14:16Z");
  EXPECT_EQ(write({1293974055, 7}), "2011-01-02T13:14:15.000000007Z");
}

RC_GTEST_PROP(Rfc3339, AgreesWithTheCLibrary, ()) {
  const auto second = *rc::gen::inRange<int64_t>(-62167219200, 253402300799);
  std::tm parts{};
  const auto clock = static_cast<std::time_t>(second);
  RC_ASSERT(gmtime_r(&clock, &parts) != nullptr);
  char text[96];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  RC_ASSERT(text_of({second, 0}) == text);
}

}  // namespace
}  // namespace millrace::format
