// SPDX-License-Identifier: Apache-2.0
#pragma once

// An event's time as RFC 3339 text in UTC: 2011-01-02T13:14:15Z, and with nine fraction digits when
// there are nanoseconds: 2011-01-02T13:14:15.123456789Z. Years that RFC 3339 has no form for are
// written as ISO 8601 expands them: sign and at least four digits (+55840-11-08T22:13:20Z).
// Does not use libc: no zone, no lock, no locale. The last second is kept, since most events of a
// message share it. Owned by one thread.
// Invariant: text_ up to text_bytes_ is the form of second_, without fraction and Z.

#include <cstddef>
#include <cstdint>

#include "base/event_time.h"

namespace millrace::format {

/// Room that Rfc3339Writer::write needs; the longest text is 40 bytes.
inline constexpr size_t kRfc3339RoomBytes = 48;

class Rfc3339Writer {
 public:
  Rfc3339Writer();

  /// Writes the text at `out` and returns its end. May use all kRfc3339RoomBytes behind `out`.
  char* write(EventTime time, char* out);

 private:
  void set_second(int64_t second);

  int64_t second_ = 0;
  size_t text_bytes_ = 0;
  char text_[32] = {};
};

}  // namespace millrace::format
