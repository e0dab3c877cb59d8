// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <ctime>
#include <limits>

#include "cli/send_record.h"

namespace millrace::cli {
namespace {

constexpr size_t kFractionDigitsMax = 9;

// Reads a text from the left, piece by piece.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // Exactly `count` digits, or with 0 as many as there are; nothing if there are none.
  bool take_number(size_t count, int64_t& number) {
    size_t size = 0;
    while (size < rest_.size() && rest_[size] >= '0' && rest_[size] <= '9') ++size;
    if (count > 0 && size >= count) size = count;
    if (size == 0 || (count > 0 && size != count)) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + size, number);
    rest_.remove_prefix(size);
    return error == std::errc();
  }

  // What may stand behind a point: up to nine digits, as nanoseconds.
  bool take_fraction(uint32_t& nanoseconds) {
    if (!take('.')) return true;
    const size_t before = rest_.size();
    int64_t number = 0;
    if (!take_number(0, number)) return false;
    const size_t digits = before - rest_.size();
    if (digits > kFractionDigitsMax) return false;
    for (size_t i = digits; i < kFractionDigitsMax; ++i) number *= 10;
    nanoseconds = static_cast<uint32_t>(number);
    return true;
  }

 private:
  std::string_view rest_;
};

bool take_offset(Scanner& scanner, int64_t& seconds) {
  if (scanner.take('Z') || scanner.take('z')) return true;
  const bool west = scanner.take('-');
  int64_t hours = 0;
  int64_t minutes = 0;
  if (!west && !scanner.take('+')) return false;
  if (!scanner.take_number(2, hours) || !scanner.take(':') || !scanner.take_number(2, minutes)) {
    return false;
  }
  if (hours > 23 || minutes > 59) return false;
  const int64_t offset = hours * 3600 + minutes * 60;
  seconds += west ? offset : -offset;
  return true;
}

bool take_rfc3339(Scanner scanner, EventTime& time) {
  int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool date = scanner.take_number(4, year) && scanner.take('-') &&
                    scanner.take_number(2, month) && scanner.take('-') &&
                    scanner.take_number(2, day) &&
                    (scanner.take('T') || scanner.take('t') || scanner.take(' '));
  const bool clock = date && scanner.take_number(2, hour) && scanner.take(':') &&
                     scanner.take_number(2, minute) && scanner.take(':') &&
                     scanner.take_number(2, second) && scanner.take_fraction(time.nanoseconds);
  if (!clock || hour > 23 || minute > 59 || second > 60) return false;
  std::tm parts{};
  parts.tm_year = static_cast<int>(year - 1900);
  parts.tm_mon = static_cast<int>(month - 1);
  parts.tm_mday = static_cast<int>(day);
  parts.tm_hour = static_cast<int>(hour);
  parts.tm_min = static_cast<int>(minute);
  parts.tm_sec = static_cast<int>(second);
  std::tm normal = parts;
  time.seconds = ::timegm(&normal);
  // A day that the month has not was carried into the next one.
  const bool exists = month >= 1 && month <= 12 && normal.tm_mday == parts.tm_mday;
  return (exists || second == 60) && take_offset(scanner, time.seconds) && scanner.done();
}

bool take_seconds(Scanner scanner, EventTime& time) {
  return scanner.take_number(0, time.seconds) && scanner.take_fraction(time.nanoseconds) &&
         scanner.done();
}

}  // namespace

Result<EventTime> parse_event_time(std::string_view text) {
  EventTime time;
  if (!take_seconds(Scanner(text), time)) {
    time = EventTime{};
    if (!take_rfc3339(Scanner(text), time)) {
      return fail(ErrorKind::kInvalid,
                  "not a time: write 1767322845, 1767322845.6 or 2026-01-02T03:00:45.6Z");
    }
  }
  if (time.seconds < 0 || time.seconds > std::numeric_limits<uint32_t>::max()) {
    return fail(ErrorKind::kInvalid, "the time is outside of 1970 to 2106");
  }
  return time;
}

}  // namespace millrace::cli
