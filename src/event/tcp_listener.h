// SPDX-License-Identifier: Apache-2.0
#pragma once

// TcpListener: a listening socket on one address and port. Each loop has its own on the same port
// (SO_REUSEPORT), and the kernel spreads the connections. It owns no connections.
// Loop thread only; the Loop must outlive it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/handle.h"
#include "event/loop.h"
#include "event/tcp_stream.h"

namespace millrace::event {

struct ListenOptions {
  std::string address;  // numeric IPv4 or IPv6; "::" takes both
  uint16_t port = 0;    // 0: any free port
  /// Fail if another process listens there already. Set it for the first listener of a process on a
  /// port: SO_REUSEPORT alone would share the port with a second millrace of the same user.
  bool port_must_be_free = true;
  int backlog = 4096;  // the kernel cuts it at net.core.somaxconn
};

class TcpListener {
 public:
  using AcceptCallback = std::function<void(std::unique_ptr<TcpStream>)>;

  /// Errors name the address: kUnreachable (taken, or not of this machine), kPermission, kInvalid
  /// (not a numeric address), kIo.
  static Result<std::unique_ptr<TcpListener>> open(Loop& loop, const ListenOptions& options,
                                                   AcceptCallback on_accept);
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  ~TcpListener();

  uint16_t port() const { return port_; }

  /// Hands over the connections that wait in the accept queue, which closing the socket would
  /// reset, and closes it. A second call does nothing.
  void close();

 private:
  TcpListener(Loop& loop, AcceptCallback on_accept);
  Result<> listen(int fd, const ListenOptions& options);
  void accept_one(int status);
  void hand_over(std::unique_ptr<TcpStream> stream);

  Loop& loop_;
  AcceptCallback on_accept_;
  HandlePtr<uv_tcp_s> handle_;
  uint16_t port_ = 0;
};

}  // namespace millrace::event
