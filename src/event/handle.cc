// SPDX-License-Identifier: Apache-2.0
#include "event/handle.h"

#include <uv.h>

namespace millrace::event {
namespace {

template <class T>
void close_handle(T* handle) noexcept {
  handle->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(handle),
           [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
}

}  // namespace

void HandleCloser::operator()(uv_async_s* handle) const noexcept { close_handle(handle); }
void HandleCloser::operator()(uv_check_s* handle) const noexcept { close_handle(handle); }
void HandleCloser::operator()(uv_prepare_s* handle) const noexcept { close_handle(handle); }
void HandleCloser::operator()(uv_signal_s* handle) const noexcept { close_handle(handle); }
void HandleCloser::operator()(uv_tcp_s* handle) const noexcept { close_handle(handle); }
void HandleCloser::operator()(uv_timer_s* handle) const noexcept { close_handle(handle); }

}  // namespace millrace::event
