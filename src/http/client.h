// SPDX-License-Identifier: Apache-2.0
#pragma once

// Client: HTTP/1.1 exchanges of one thread over one connection that is kept between them. Blocks in
// perform(). Verifies certificates always; follows no redirect, reads no netrc, sends no `Expect`.
// Without ClientOptions::proxy the environment's http_proxy, https_proxy, all_proxy and no_proxy
// count, as for every program with libcurl; with it they do not.
//
// A kept connection that dies before the first byte of the reply is replaced and the request sent
// once more. libcurl does so itself when the first write or the first read fails (7.88,
// lib/multi.c, Curl_retry_request, rewinding POSTFIELDS by itself), but not when a later write of a
// large body does; that case is made good here. Never is a request sent three times.
//
// Invariant: at most one resend, none on a connection made for this request.
// perform(): one thread. interrupt(): any thread. http::Library must outlive it. The process
// ignores SIGPIPE, as OpenSSL may raise it.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/exchange.h"

namespace millrace::http {

class Transfer;

struct ClientOptions {
  std::string proxy = {};                   // empty: the environment's; may hold a password
  std::string ca_file = {};                 // PEM; empty: the system's
  std::string unix_socket = {};             // connect here, whatever the URL's host
  uint64_t connect_timeout_ms = 5'000;      // name look-up, connect, TLS
  uint64_t first_byte_timeout_ms = 10'000;  // from the last byte the peer took to the reply's first
  uint64_t request_timeout_ms = 60'000;     // all of it, a resend included
};

struct EasyDeleter {
  void operator()(void* easy) const noexcept;
};
struct MultiDeleter {
  void operator()(void* multi) const noexcept;
};

class Client {
 public:
  explicit Client(ClientOptions options);

  tl::expected<Reply, TransportError> perform(const Request& request);

  /// Ends a running perform() at once; every later one fails as not sent. Any thread.
  void interrupt() noexcept;

 private:
  enum class Stop { kNone, kInterrupted, kFirstByte, kTotal };
  struct End {
    int code = 0;  // CURLcode; counts when stop is kNone
    Stop stop = Stop::kNone;
  };
  using Clock = std::chrono::steady_clock;

  void set_constant_options();
  void set_request(const Request& request, void* headers);
  End run(const Transfer& transfer, uint64_t body_bytes, Clock::time_point deadline);
  End drive(const Transfer& transfer, uint64_t body_bytes, Clock::time_point deadline);
  int64_t unsent_bytes(uint64_t body_bytes) const;
  bool connection_was_kept() const;
  TransportError error_of(const End& end, const Transfer& transfer, int starts) const;
  std::string message_of(const End& end, const Transfer& transfer) const;

  ClientOptions options_;
  std::atomic<bool> interrupted_{false};
  std::array<char, 256> error_text_{};         // CURL_ERROR_SIZE
  std::unique_ptr<void, MultiDeleter> multi_;  // holds the kept connection, so it goes last
  std::unique_ptr<void, EasyDeleter> easy_;
};

}  // namespace millrace::http
