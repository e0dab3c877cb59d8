// SPDX-License-Identifier: Apache-2.0
#pragma once

// Signal: calls back on the loop's thread each time the process gets one kind of signal; while it
// lives, the signal's default action is off. Loop thread only; the Loop outlives it.

#include <functional>

#include "event/handle.h"
#include "event/loop.h"

namespace millrace::event {

class Signal {
 public:
  /// `number` is SIGTERM and the like; one that cannot be caught is a broken invariant.
  Signal(Loop& loop, int number, std::function<void()> callback);
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  std::function<void()> callback_;
  HandlePtr<uv_signal_s> handle_;
};

}  // namespace millrace::event
