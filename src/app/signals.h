// SPDX-License-Identifier: Apache-2.0
#pragma once

// Signals: what operators say to the process. The signals are blocked in all threads and taken here
// one by one, so that nothing runs inside a handler. SIGPIPE is ignored.
// Invariant: made before any other thread, or that thread would be interrupted instead.
// Main thread.

#include <csignal>
#include <cstdint>
#include <optional>

namespace millrace::app {

enum class Order : uint8_t { kStop, kFlush, kReload };

class Signals {
 public:
  Signals();

  /// Waits up to `timeout_ms` for SIGTERM, SIGINT or SIGQUIT (kStop), SIGUSR1 (kFlush), SIGHUP or
  /// SIGUSR2 (kReload).
  std::optional<Order> wait(uint64_t timeout_ms);

 private:
  sigset_t set_;
};

}  // namespace millrace::app
