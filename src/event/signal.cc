// SPDX-License-Identifier: Apache-2.0
#include "event/signal.h"

#include <uv.h>

#include <utility>

#include "base/check.h"

namespace millrace::event {

Signal::Signal(Loop& loop, int number, std::function<void()> callback)
    : callback_(std::move(callback)), handle_(new uv_signal_t) {
  CHECK(loop.is_on_thread());
  CHECK(uv_signal_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
  const auto arrived = [](uv_signal_t* handle, int) {
    static_cast<Signal*>(handle->data)->callback_();
  };
  CHECK(uv_signal_start(handle_.get(), arrived, number) == 0);
}

}  // namespace millrace::event
