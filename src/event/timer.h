// SPDX-License-Identifier: Apache-2.0
#pragma once

// Timer: calls back once after a delay, or again and again. Delays are of the loop's clock, read
// once a turn. The callback must not end its own Timer. Loop thread only; the Loop outlives it.

#include <cstdint>
#include <functional>

#include "event/handle.h"
#include "event/loop.h"

namespace millrace::event {

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> callback);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Begins anew: first call after `delay_ms`, further ones every `repeat_ms` (0: none).
  void start(uint64_t delay_ms, uint64_t repeat_ms = 0);
  void stop();
  bool active() const;

 private:
  std::function<void()> callback_;
  HandlePtr<uv_timer_s> handle_;
};

}  // namespace millrace::event
