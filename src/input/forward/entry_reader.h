// SPDX-License-Identifier: Apache-2.0
#pragma once

// EntryReader: walks the entries of one message, [time, record] or Fluent Bit's
// [[time, metadata], record]. It gives the time and where the record, always a map, begins; it does
// not walk the record, because the formatter does so anyway and says where it ended. Entries that
// can never be stored are passed over and counted; group markers are passed over in silence.
// Nothing is allocated. Any thread. The message's bytes must outlive it.
//
//   while (reader.next(entry)) {
//     const char* end = format(entry.record, reader.end(), ...);   // or reader.skip_record()
//     reader.advance(end);                          // or record_truncated(), record_malformed()
//   }
//   if (reader.malformed()) ...  // framing is lost: nothing of the message may be kept

#include <cstdint>
#include <string_view>

#include "base/endian.h"
#include "base/event_time.h"
#include "input/forward/message.h"

namespace millrace::input {

struct Entry {
  EventTime time;
  const char* begin = nullptr;   // of the entry; of kPair: of its time
  const char* record = nullptr;  // first byte of a map's header
};

/// What was passed over, by reason (the counters discarded_entries_total), and odd times, which
/// are kept.
struct EntryCounts {
  uint64_t not_an_entry = 0;  // no array of time and record
  uint64_t not_a_map = 0;
  uint64_t invalid_time = 0;
  uint64_t truncated = 0;  // 1: the message ended inside an entry; those before it are good
  uint64_t odd_times = 0;  // beyond the year 9999: milliseconds sent as seconds
};

class EntryReader {
 public:
  /// `now` replaces a time of 0 seconds, as in Fluentd.
  EntryReader(std::string_view entries, Shape shape, EventTime now)
      : at_(entries.data()), end_(at_ + entries.size()), now_(now), shape_(shape) {}
  EntryReader(const Message& message, EventTime now)
      : EntryReader(message.entries, message.shape, now) {}

  /// False at the end, where the framing is lost, and when it has stopped: see stop_after().
  bool next(Entry& entry);
  /// Bounds the time of one next(), which passes over what can be a byte each: it stops when so
  /// many have been passed over in all. stopped() tells, and at() tells where.
  void stop_after(uint64_t passed_over) { passes_left_ = passed_over; }
  bool stopped() const { return passes_left_ == 0; }

  /// `record_end` is the byte behind the record that next() gave.
  void advance(const char* record_end) {
    at_ = record_end;
    if (elements_left_ > 0) skip_elements();
  }
  /// Instead of advance(): the record is not wanted. False if it breaks off or is malformed.
  bool skip_record();
  /// Instead of advance(): the record breaks off. Ends the walk; what came before is good.
  void record_truncated();
  /// Instead of advance(): a byte that no value starts with. Ends the walk; see malformed().
  void record_malformed();

  const char* end() const { return end_; }
  /// After advance() or skip_record(): behind the entry that next() gave. When it has stopped:
  /// behind what was passed over last.
  const char* at() const { return at_; }
  bool malformed() const { return malformed_; }
  const EntryCounts& counts() const { return counts_; }

 private:
  enum class Found : uint8_t { kEntry, kSkip, kStop };

  // What next() does when the bytes are not one of the two usual forms.
  bool next_other(Entry& entry);
  Found read_entry(Entry& entry);
  Found discard(uint64_t* counter, const char* entry_begin);
  void skip_elements();

  static bool is_map(char lead) {
    const auto byte = static_cast<uint8_t>(lead);
    return (byte & 0xf0U) == 0x80 || byte == 0xde || byte == 0xdf;
  }

  const char* at_;
  const char* end_;
  const char* record_ = nullptr;  // of the entry handed out, for skip_record
  uint64_t elements_left_ = 0;    // of the entry handed out, behind its record
  uint64_t passes_left_ = UINT64_MAX;
  EventTime now_;
  Shape shape_;
  bool malformed_ = false;
  EntryCounts counts_;
};

inline bool EntryReader::next(Entry& entry) {
  // An EventTime as fixext 8 (d7 00), alone in an array of two (92; Fluentd, Fluent Bit before 5)
  // or with empty metadata (92 92 .. 80; Fluent Bit). All else, and odd values, the long way.
  if (end_ - at_ >= 14) {
    const auto head = load_be<uint32_t>(at_);
    const char* time = nullptr;
    const char* record = nullptr;
    if ((head >> 8) == 0x92d700) {
      time = at_ + 3;
      record = at_ + 11;
    } else if (head == 0x9292d700 && static_cast<uint8_t>(at_[12]) == 0x80) {
      time = at_ + 4;
      record = at_ + 13;
    }
    if (time != nullptr) {
      const auto seconds = load_be<uint32_t>(time);
      const auto nanoseconds = load_be<uint32_t>(time + 4);
      // 0 is "now", the two largest can be group markers.
      if (seconds - 1 < 0xfffffffdU && nanoseconds < 1'000'000'000 && is_map(*record)) {
        entry.time = {static_cast<int64_t>(seconds), nanoseconds};
        entry.begin = at_;
        entry.record = record;
        record_ = record;
        elements_left_ = 0;
        return true;
      }
    }
  }
  return next_other(entry);
}

}  // namespace millrace::input
