// SPDX-License-Identifier: Apache-2.0
#pragma once

// FlushPool: the flush threads of one log (one output of one worker), flush_thread_count of them.
// Invariant: at most that many requests of this log are under way at any time.
// Main thread. The log and the outlet must outlive it.

#include <memory>
#include <vector>

#include "flush/flush_thread.h"

namespace millrace::flush {

class FlushPool {
 public:
  /// Threads begin at once to take chunks.
  FlushPool(io::Io io, buffer::Log& log, Outlet& outlet, uint32_t threads,
            metrics::Registry& registry);
  ~FlushPool();  // stop(true)

  /// Takes no more chunks. With `interrupt` requests under way are cut off (their chunks stay in
  /// the buffer), otherwise they are awaited. Nobody waits for the output to be back.
  void stop(bool interrupt);

 private:
  buffer::Log& log_;
  Outlet& outlet_;
  std::vector<std::unique_ptr<FlushThread>> threads_;
};

}  // namespace millrace::flush
