// SPDX-License-Identifier: Apache-2.0
#pragma once

// EventTime: when an event happened, as forward messages carry it. A value; any thread.
// Invariant: nanoseconds < 1'000'000'000; who reads a larger one from the wire carries it over.

#include <cstdint>

namespace millrace {

struct EventTime {
  int64_t seconds = 0;       // since 1970-01-01T00:00:00Z, negative before it
  uint32_t nanoseconds = 0;  // added to `seconds`, also before 1970

  friend bool operator==(const EventTime& a, const EventTime& b) {
    return a.seconds == b.seconds && a.nanoseconds == b.nanoseconds;
  }
};

}  // namespace millrace
