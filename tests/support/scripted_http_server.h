// SPDX-License-Identifier: Apache-2.0
#pragma once

// ScriptedHttpServer: an HTTP/1.1 server on 127.0.0.1 and a free port for tests. Each request read
// whole is kept and handed to the script, which says what happens next; the script never runs twice
// at a time and calls nothing of the server. One thread a connection; all of them end with the
// object. It speaks no TLS and trusts its one client.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"

namespace millrace::testing {

struct SeenRequest {
  int connection = 0;  // 1, 2 ... in the order of accept
  std::string head;    // request line and headers, each line ending in \r\n
  std::string body;

  /// The value of a header, by its name in any case; empty if there is none.
  std::string header(const std::string& name) const {
    size_t at = head.find("\r\n");
    while (at != std::string::npos && at + 2 < head.size()) {
      const size_t start = at + 2;
      if (strncasecmp(head.c_str() + start, (name + ":").c_str(), name.size() + 1) == 0) {
        const size_t value = head.find_first_not_of(' ', start + name.size() + 1);
        return head.substr(value, head.find("\r\n", start) - value);
      }
      at = head.find("\r\n", start);
    }
    return {};
  }
};

struct Answer {
  std::string bytes;   // sent as they are
  bool close = false;  // then close the connection
  bool hang = false;   // then wait for the client to go, or for the end of the server

  static Answer reply(int status, const std::string& body, const std::string& headers = "") {
    Answer answer;
    answer.bytes = "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    return answer;
  }
  static Answer drop() {
    Answer answer;
    answer.close = true;
    return answer;
  }
  static Answer silence() {
    Answer answer;
    answer.hang = true;
    return answer;
  }
};

class ScriptedHttpServer {
 public:
  using Script = std::function<Answer(const SeenRequest&)>;

  /// `at_head`, if given, sees a request before its body is read; true closes the connection there
  /// and then, with a reset if bytes of the body have arrived.
  explicit ScriptedHttpServer(Script script,
                              std::function<bool(const SeenRequest&)> at_head = nullptr)
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        stop_(::eventfd(0, EFD_CLOEXEC)),
        script_(std::move(script)),
        at_head_(std::move(at_head)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    CHECK(::bind(listener_.get(), generic, size) == 0);
    CHECK(::listen(listener_.get(), 16) == 0);
    CHECK(::getsockname(listener_.get(), generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~ScriptedHttpServer() {
    const uint64_t one = 1;
    CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
    acceptor_.join();
    for (std::thread& connection : connections_) {
      connection.join();
    }
  }

  int port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return "http://" + host() + "/"; }
  std::vector<SeenRequest> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  // True when `fd` has something to read, false when the server ends.
  bool readable(int fd) const {
    pollfd both[2] = {{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    CHECK(::poll(both, 2, -1) > 0);
    return both[1].revents == 0;
  }

  void accept_all() {
    for (int number = 1; readable(listener_.get()); ++number) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      connections_.emplace_back([this, fd, number] { serve(UniqueFd(fd), number); });
    }
  }

  // Reads until `wanted` bytes are there; false at the end of the stream or of the server.
  bool read_to(int fd, std::string& bytes, size_t wanted) const {
    while (bytes.size() < wanted) {
      if (!read_some(fd, bytes)) return false;
    }
    return true;
  }

  bool read_some(int fd, std::string& bytes) const {
    if (!readable(fd)) return false;
    char buffer[65536];
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) return false;
    bytes.append(buffer, static_cast<size_t>(count));
    return true;
  }

  void serve(UniqueFd fd, int number) {
    std::string bytes;
    for (;;) {
      size_t end = 0;
      while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
        if (!read_some(fd.get(), bytes)) return;
      }
      SeenRequest request{number, bytes.substr(0, end + 2), ""};
      if (dies_at_head(request)) return;
      const std::string length = request.header("Content-Length");
      const size_t whole =
          end + 4 + (length.empty() ? 0 : std::strtoul(length.c_str(), nullptr, 10));
      if (!read_to(fd.get(), bytes, whole)) return;
      request.body = bytes.substr(end + 4, whole - end - 4);
      bytes.erase(0, whole);
      if (!answer(fd.get(), next_answer(request))) return;
    }
  }

  bool dies_at_head(const SeenRequest& request) {
    const std::lock_guard lock(mutex_);
    return at_head_ && at_head_(request);
  }

  Answer next_answer(const SeenRequest& request) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
    return script_(request);
  }

  bool answer(int fd, const Answer& answer) const {
    size_t sent = 0;
    while (sent < answer.bytes.size()) {
      const ssize_t count =
          ::send(fd, answer.bytes.data() + sent, answer.bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<size_t>(count);
    }
    if (answer.hang) readable(fd);
    return !answer.close && !answer.hang;
  }

  UniqueFd listener_;
  UniqueFd stop_;
  int port_ = 0;
  mutable std::mutex mutex_;  // guards the script, so that it may keep a state, and seen_
  Script script_;
  std::function<bool(const SeenRequest&)> at_head_;
  std::vector<SeenRequest> seen_;
  std::vector<std::thread> connections_;  // the acceptor's until it has ended
  std::thread acceptor_;
};

}  // namespace millrace::testing
