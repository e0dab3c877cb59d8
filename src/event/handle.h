// SPDX-License-Identifier: Apache-2.0
#pragma once

// HandlePtr<T>: owner of one libuv handle. libuv may use a handle until its close callback, so the
// owner's end starts uv_close and the callback frees the memory; from that moment handle->data is
// null and callbacks that are still on their way find nobody. Loop thread only; the loop must run
// once more afterwards (Loop's destructor does). libuv's own types are named here, not included.

#include <memory>

struct uv_async_s;
struct uv_check_s;
struct uv_loop_s;
struct uv_prepare_s;
struct uv_signal_s;
struct uv_tcp_s;
struct uv_timer_s;

namespace millrace::event {

struct HandleCloser {
  void operator()(uv_async_s* handle) const noexcept;
  void operator()(uv_check_s* handle) const noexcept;
  void operator()(uv_prepare_s* handle) const noexcept;
  void operator()(uv_signal_s* handle) const noexcept;
  void operator()(uv_tcp_s* handle) const noexcept;
  void operator()(uv_timer_s* handle) const noexcept;
};

template <class T>
using HandlePtr = std::unique_ptr<T, HandleCloser>;

}  // namespace millrace::event
