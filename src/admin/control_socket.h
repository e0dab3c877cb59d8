// SPDX-License-Identifier: Apache-2.0
#pragma once

// The HTTP server on <root_dir>/control.sock: GET /metrics, GET /status, POST /flush. One thread of
// its own (libmicrohttpd's) that calls the handlers, one request at a time; so a handler may wait,
// and must be safe on another thread than its maker's. Who may open the socket (mode 0600: the
// owner and root) may do everything.
// Invariant: no handler runs after the destructor has returned. Whatever the handlers use outlives
// this object.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

struct MHD_Daemon;

namespace millrace::admin {

struct ControlHandlers {
  std::function<std::string()> metrics;     // Prometheus text
  std::function<std::string()> status;      // see status.h
  std::function<Result<uint64_t>()> flush;  // chunks sealed; an Error is answered with 503
};

class UnixListener;

class ControlSocket {
 public:
  /// Listens and serves at once. Errors as of UnixListener::open; kIo if no thread can be had.
  static Result<std::unique_ptr<ControlSocket>> open(const std::string& path,
                                                     ControlHandlers handlers);

  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct DaemonDeleter {
    void operator()(MHD_Daemon* daemon) const noexcept;
  };

  ControlSocket(UnixListener listener, ControlHandlers handlers);

  const ControlHandlers handlers_;
  std::unique_ptr<UnixListener> listener_;
  std::unique_ptr<MHD_Daemon, DaemonDeleter> daemon_;
};

}  // namespace millrace::admin
