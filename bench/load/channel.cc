// SPDX-License-Identifier: Apache-2.0
#include "bench/load/channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/check.h"

namespace millrace::bench {

void TlsContextCloser::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void Channel::TlsCloser::operator()(ssl_st* tls) const noexcept { SSL_free(tls); }

Result<TlsContext> make_tls_context(const std::string& certificate, const std::string& key) {
  TlsContext context(SSL_CTX_new(TLS_server_method()));
  CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(ErrorKind::kInvalid, "no certificate and key in " + certificate + " and " + key);
  }
  return context;
}

Channel::Channel(UniqueFd fd, ssl_ctx_st* context) : fd_(std::move(fd)) {
  if (context == nullptr) return;
  tls_.reset(SSL_new(context));
  CHECK(tls_ != nullptr && SSL_set_fd(tls_.get(), fd_.get()) == 1);
  SSL_set_accept_state(tls_.get());
}

ssize_t Channel::receive(char* into, size_t size) {
  if (is_plain()) return recv(fd_.get(), into, size, 0);
  ERR_clear_error();
  size_t got = 0;
  if (SSL_read_ex(tls_.get(), into, size, &got) == 1) return static_cast<ssize_t>(got);
  switch (SSL_get_error(tls_.get(), 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      errno = ECONNRESET;
      return -1;
  }
}

// MSG_TRUNC on TCP: tcp(7).
ssize_t Channel::discard(size_t size) {
  CHECK(is_plain());
  return recv(fd_.get(), nullptr, size, MSG_TRUNC);
}

bool Channel::send(std::string_view text) {
  size_t sent = 0;
  if (is_plain()) {
    const ssize_t done = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return done == static_cast<ssize_t>(text.size());
  }
  ERR_clear_error();
  return SSL_write_ex(tls_.get(), text.data(), text.size(), &sent) == 1 && sent == text.size();
}

}  // namespace millrace::bench
