// SPDX-License-Identifier: Apache-2.0
#include "event/timer.h"

#include <uv.h>

#include <utility>

#include "base/check.h"

namespace millrace::event {

Timer::Timer(Loop& loop, std::function<void()> callback)
    : callback_(std::move(callback)), handle_(new uv_timer_t) {
  CHECK(loop.is_on_thread());
  CHECK(uv_timer_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

void Timer::start(uint64_t delay_ms, uint64_t repeat_ms) {
  const auto fired = [](uv_timer_t* handle) { static_cast<Timer*>(handle->data)->callback_(); };
  CHECK(uv_timer_start(handle_.get(), fired, delay_ms, repeat_ms) == 0);
}

void Timer::stop() { uv_timer_stop(handle_.get()); }

bool Timer::active() const {
  return uv_is_active(reinterpret_cast<const uv_handle_t*>(handle_.get())) != 0;
}

}  // namespace millrace::event
