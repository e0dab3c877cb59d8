// SPDX-License-Identifier: Apache-2.0
#include "format/rfc3339.h"

#include <charconv>
#include <cstring>

#include "format/json_number.h"

namespace millrace::format {
namespace {

constexpr uint32_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int64_t kSecondsPerDay = 86'400;

struct Date {
  int64_t year;
  uint32_t month;
  uint32_t day;
};

int64_t floor_divide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

// The proleptic Gregorian date of a day counted from 1970-01-01, by eras of 400 years that begin on
// 1 March, so that the leap day is the last of its year.
Date date_of(int64_t day_number) {
  const int64_t shifted = day_number + 719'468;  // days from 0000-03-01
  const int64_t era = floor_divide(shifted, 146'097);
  const auto day_of_era = static_cast<uint32_t>(shifted - era * 146'097);
  const uint32_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t month_from_march = (5 * day_of_year + 2) / 153;
  Date date;
  date.day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  date.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  date.year = static_cast<int64_t>(year_of_era) + era * 400 + (date.month <= 2 ? 1 : 0);
  return date;
}

char* put_year(char* out, int64_t year) {
  if (year < 0 || year > 9999) *out++ = year < 0 ? '-' : '+';
  const auto size = static_cast<uint64_t>(year < 0 ? -year : year);
  for (uint64_t limit = 1000; limit > 1 && size < limit; limit /= 10) *out++ = '0';
  return std::to_chars(out, out + 20, size).ptr;
}

char* put_nanoseconds(char* out, uint32_t nanoseconds) {
  const uint32_t high = nanoseconds / 10'000;  // five digits
  const uint32_t low = nanoseconds % 10'000;
  *out++ = static_cast<char>('0' + high / 10'000);
  out = put_two_digits(out, high / 100 % 100);
  out = put_two_digits(out, high % 100);
  out = put_two_digits(out, low / 100);
  return put_two_digits(out, low % 100);
}

}  // namespace

Rfc3339Writer::Rfc3339Writer() { set_second(0); }

void Rfc3339Writer::set_second(int64_t second) {
  const int64_t day = floor_divide(second, kSecondsPerDay);
  // Not second - day * kSecondsPerDay, which overflows for the first day there is.
  const int64_t rest = second % kSecondsPerDay;
  const auto in_day = static_cast<uint32_t>(rest < 0 ? rest + kSecondsPerDay : rest);
  const Date date = date_of(day);
  char* out = put_year(text_, date.year);
  *out++ = '-';
  out = put_two_digits(out, date.month);
  *out++ = '-';
  out = put_two_digits(out, date.day);
  *out++ = 'T';
  out = put_two_digits(out, in_day / 3600);
  *out++ = ':';
  out = put_two_digits(out, in_day / 60 % 60);
  *out++ = ':';
  out = put_two_digits(out, in_day % 60);
  second_ = second;
  text_bytes_ = static_cast<size_t>(out - text_);
}

char* Rfc3339Writer::write(EventTime time, char* out) {
  if (time.seconds != second_) set_second(time.seconds);
  std::memcpy(out, text_, sizeof text_);  // a fixed size is cheaper than the right one
  out += text_bytes_;
  if (time.nanoseconds != 0) {
    *out++ = '.';
    out = put_nanoseconds(out, time.nanoseconds % kNanosecondsPerSecond);
  }
  *out++ = 'Z';
  return out;
}

}  // namespace millrace::format
