// SPDX-License-Identifier: Apache-2.0
#include "input/forward/entry_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "base/msgpack_token.h"

namespace millrace::input {
namespace {

using msgpack_token::Status;
using msgpack_token::Token;
using msgpack_token::Type;

constexpr uint32_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int64_t kLastSecondOf9999 = 253'402'300'799;
constexpr int64_t kLastSecond = std::numeric_limits<int64_t>::max();
// Fluent Bit opens and closes a group of records with these times (its log event encoder).
constexpr uint32_t kGroupStart = 0xffffffff;
constexpr uint32_t kGroupEnd = 0xfffffffe;

struct WireTime {
  EventTime time;
  bool is_marker = false;  // of a group, if the entry has Fluent Bit's header
};

WireTime from_event_time(const Token& token) {
  WireTime out;
  const auto seconds = load_be<uint32_t>(token.body);
  const auto nanoseconds = load_be<uint32_t>(token.body + 4);
  out.is_marker = nanoseconds == 0 && (seconds == kGroupStart || seconds == kGroupEnd);
  out.time.seconds = seconds;
  if (seconds == 0) return out;  // stands for "now": nothing is carried into it
  out.time.seconds += nanoseconds / kNanosecondsPerSecond;
  out.time.nanoseconds = nanoseconds % kNanosecondsPerSecond;
  return out;
}

// Finite and not negative, rounded to nanoseconds. What no count of seconds holds is the last one.
std::optional<WireTime> from_float(double value) {
  if (!(value >= 0) || std::isinf(value)) return std::nullopt;
  WireTime out;
  out.time.seconds = kLastSecond;
  if (value >= 0x1p63) return out;
  double whole = 0;
  const double fraction = std::modf(value, &whole);
  out.time.seconds = static_cast<int64_t>(whole);
  auto nanoseconds = static_cast<uint32_t>(std::llround(fraction * kNanosecondsPerSecond));
  if (nanoseconds == kNanosecondsPerSecond) {
    ++out.time.seconds;
    nanoseconds = 0;
  }
  out.time.nanoseconds = nanoseconds;
  return out;
}

std::optional<WireTime> time_of(const Token& token) {
  switch (token.type) {
    case Type::kUint:
      return WireTime{
          {static_cast<int64_t>(std::min<uint64_t>(token.unsigned_value, kLastSecond)), 0}, false};
    case Type::kInt:
      return WireTime{{token.signed_value, 0}, false};
    case Type::kFloat32:
    case Type::kFloat64:
      return from_float(token.float_value);
    case Type::kExt:
      if (token.ext_type != 0 || token.count != 8) return std::nullopt;
      return from_event_time(token);
    default:
      return std::nullopt;
  }
}

}  // namespace

bool EntryReader::next_other(Entry& entry) {
  while (at_ < end_) {
    const Found found = read_entry(entry);
    if (found == Found::kEntry) return true;
    if (found == Found::kStop || --passes_left_ == 0) break;
  }
  return false;
}

// Passes over the whole entry at `entry_begin`, counted if `counter` is given.
EntryReader::Found EntryReader::discard(uint64_t* counter, const char* entry_begin) {
  at_ = entry_begin;
  if (shape_ == Shape::kPair) {
    if (counter != nullptr) ++*counter;
    at_ = end_;
    return Found::kStop;
  }
  const Status status = msgpack_token::skip(at_, end_);
  if (status == Status::kOk) {
    if (counter != nullptr) ++*counter;
    return Found::kSkip;
  }
  status == Status::kMalformed ? record_malformed() : record_truncated();
  return Found::kStop;
}

EntryReader::Found EntryReader::read_entry(Entry& entry) {
  const char* const begin = at_;
  Token token;
  uint64_t elements = 2;
  if (shape_ == Shape::kEntries) {
    const Status outer = msgpack_token::read(at_, end_, token);
    if (outer != Status::kOk || token.type != Type::kArray || token.count < 2) {
      return discard(&counts_.not_an_entry, begin);
    }
    elements = token.count;
  }
  // The time, or Fluent Bit's array of time and metadata.
  Status status = msgpack_token::read(at_, end_, token);
  const bool has_header = status == Status::kOk && token.type == Type::kArray;
  if (has_header && token.count > 0) {
    elements_left_ = token.count - 1;
    status = msgpack_token::read(at_, end_, token);
  }
  if (status != Status::kOk) return discard(&counts_.invalid_time, begin);
  const std::optional<WireTime> time = time_of(token);
  if (!time) return discard(&counts_.invalid_time, begin);
  if (has_header) {
    if (time->is_marker) return discard(nullptr, begin);
    skip_elements();
  }
  if (at_ == end_) return malformed_ ? Found::kStop : discard(&counts_.not_a_map, begin);
  if (!is_map(*at_)) return discard(&counts_.not_a_map, begin);

  entry.time = time->time.seconds == 0 ? now_ : time->time;
  if (entry.time.seconds > kLastSecondOf9999) ++counts_.odd_times;
  entry.begin = begin;
  entry.record = at_;
  record_ = at_;
  elements_left_ = elements - 2;
  return Found::kEntry;
}

void EntryReader::skip_elements() {
  for (; elements_left_ > 0; --elements_left_) {
    const Status status = msgpack_token::skip(at_, end_);
    if (status == Status::kOk) continue;
    elements_left_ = 0;
    return status == Status::kMalformed ? record_malformed() : record_truncated();
  }
}

bool EntryReader::skip_record() {
  at_ = record_;
  ++elements_left_;
  skip_elements();
  return !malformed_ && counts_.truncated == 0;
}

void EntryReader::record_truncated() {
  counts_.truncated = 1;
  at_ = end_;
}

void EntryReader::record_malformed() {
  malformed_ = true;
  at_ = end_;
}

}  // namespace millrace::input
