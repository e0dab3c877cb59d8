// SPDX-License-Identifier: Apache-2.0
#include "app/signals.h"

#include <pthread.h>

#include "base/check.h"

namespace millrace::app {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP}) {
    sigaddset(&set_, number);
  }
  CHECK(pthread_sigmask(SIG_BLOCK, &set_, nullptr) == 0);
  std::signal(SIGPIPE, SIG_IGN);
}

std::optional<Order> Signals::wait(uint64_t timeout_ms) {
  const timespec timeout{.tv_sec = static_cast<time_t>(timeout_ms / 1000),
                         .tv_nsec = static_cast<long>(timeout_ms % 1000 * 1'000'000)};
  switch (sigtimedwait(&set_, nullptr, &timeout)) {
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
      return Order::kStop;
    case SIGUSR1:
      return Order::kFlush;
    case SIGHUP:
    case SIGUSR2:
      return Order::kReload;
    default:
      return std::nullopt;  // time is up, or a signal that is not ours
  }
}

}  // namespace millrace::app
