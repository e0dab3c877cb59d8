// SPDX-License-Identifier: Apache-2.0
#pragma once

// Channel: a connection that the sink has accepted, plain or TLS. Non-blocking: with errno EAGAIN
// there is nothing now, whatever TLS waits for. The handshake goes along with the first receive().
// Invariant: owns the descriptor. One thread; the TlsContext must outlive it.

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::bench {

struct TlsContextCloser {
  void operator()(ssl_ctx_st* context) const noexcept;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsContextCloser>;

/// TLS 1.2 or above with this certificate and key, PEM files.
Result<TlsContext> make_tls_context(const std::string& certificate, const std::string& key);

class Channel {
 public:
  /// Without a context it is plain.
  Channel(UniqueFd fd, ssl_ctx_st* context);

  int fd() const { return fd_.get(); }
  bool is_plain() const { return tls_ == nullptr; }

  /// As recv(2).
  ssize_t receive(char* into, size_t size);
  /// Drops up to `size` bytes inside the kernel. Plain only.
  ssize_t discard(size_t size);
  /// False: not all of it was taken.
  bool send(std::string_view text);

 private:
  struct TlsCloser {
    void operator()(ssl_st* tls) const noexcept;
  };

  UniqueFd fd_;
  std::unique_ptr<ssl_st, TlsCloser> tls_;
};

}  // namespace millrace::bench
