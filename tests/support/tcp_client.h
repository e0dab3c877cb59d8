// SPDX-License-Identifier: Apache-2.0
#pragma once

// TcpClient: a plain blocking client for tests. Every read has a deadline; a test that waits in
// vain fails instead of hanging. One thread.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace millrace::test {

class TcpClient {
 public:
  static constexpr int kDeadlineMs = 10'000;

  /// Connects to 127.0.0.1, or to ::1 if `v6`.
  explicit TcpClient(uint16_t port, bool v6 = false)
      : fd_(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    six.sin6_port = htons(port);
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four.sin_port = htons(port);
    const int on = 1;
    (void)setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected_ = v6 ? ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&six), sizeof six) == 0
                    : ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&four), sizeof four) == 0;
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }

  /// False if the peer has closed before all was sent.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  /// One read of at most `size` bytes; "" at FIN, reset or after the deadline (see state()).
  std::string receive(size_t size = 1 << 16) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kDeadlineMs) != 1) {
      state_ = State::kTimeout;
      return "";
    }
    std::string bytes(size, '\0');
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got <= 0) state_ = got == 0 ? State::kEnded : State::kReset;
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }

  /// Reads until `size` bytes are there, or the stream has ended.
  std::string receive_exactly(size_t size) {
    std::string all;
    while (all.size() < size) {
      const std::string more = receive(size - all.size());
      if (more.empty()) break;
      all += more;
    }
    return all;
  }

  /// All bytes up to the end of the stream.
  std::string receive_all() {
    std::string all;
    for (std::string more = receive(); !more.empty(); more = receive()) all += more;
    return all;
  }

  /// True if nothing at all can be read for `ms`; for proofs that something does not come.
  bool silent_for(int ms) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    return ::poll(&waiting, 1, ms) == 0;
  }

  void shut_down() { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }

  enum class State { kOpen, kEnded, kReset, kTimeout };
  State state() const { return state_; }

 private:
  UniqueFd fd_;
  bool connected_ = false;
  State state_ = State::kOpen;
};

}  // namespace millrace::test
