// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the system tells about this process, read from /proc each time. Any thread.

#include <cstdint>

namespace millrace::metrics {

struct ProcessSample {
  double cpu_seconds = 0;  // user and system
  uint64_t resident_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;           // 0: no limit
  double start_time_seconds = 0;  // since 1970
};

/// A part that the system does not tell stays 0.
ProcessSample sample_process();

}  // namespace millrace::metrics
