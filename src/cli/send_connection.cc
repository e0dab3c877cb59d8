// SPDX-License-Identifier: Apache-2.0
#include "cli/send_connection.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

#include "base/msgpack_token.h"

namespace millrace::cli {
namespace {

constexpr size_t kAckBytesMax = 4096;
constexpr std::string_view kHelo = "\x92\xa4HELO";  // how the handshake of a secured source begins

struct AddressDeleter {
  void operator()(addrinfo* addresses) const { ::freeaddrinfo(addresses); }
};

std::string text_of(int error) { return std::generic_category().message(error); }

int milliseconds(uint64_t ms) {
  return static_cast<int>(std::min<uint64_t>(ms, std::numeric_limits<int>::max()));
}

// 0, or the errno of what went wrong.
int connect_within(int fd, const addrinfo& address, uint64_t timeout_ms) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{fd, POLLOUT, 0};
  const int ready = ::poll(&waiting, 1, milliseconds(timeout_ms));
  if (ready == 0) return ETIMEDOUT;
  if (ready < 0) return errno;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

bool begins_helo(std::string_view bytes) {
  return bytes.size() < kHelo.size() && kHelo.starts_with(bytes);
}

enum class Ack : uint8_t { kPartial, kWhole, kOther };

// Reads {"ack": id}; the id is a view into `bytes`.
Ack read_answer(std::string_view bytes, std::string_view& id) {
  using msgpack_token::Status;
  using msgpack_token::Type;
  const char* p = bytes.data();
  msgpack_token::Token token;
  const auto next = [&] { return msgpack_token::read(p, bytes.data() + bytes.size(), token); };
  const auto is_text = [&] { return token.type == Type::kStr || token.type == Type::kBin; };
  Status status = next();
  if (status == Status::kOk && (token.type != Type::kMap || token.count != 1)) return Ack::kOther;
  if (status == Status::kOk) status = next();
  if (status == Status::kOk && (!is_text() || token.bytes() != "ack")) {
    return Ack::kOther;
  }
  if (status == Status::kOk) status = next();
  if (status == Status::kTruncated) return Ack::kPartial;
  if (status != Status::kOk || !is_text()) return Ack::kOther;
  id = token.bytes();
  return Ack::kWhole;
}

}  // namespace

Result<SendConnection> SendConnection::open(const std::string& host, uint16_t port,
                                            uint64_t timeout_ms) {
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = (v6 ? "[" + host + "]:" : host + ":") + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status != 0) {
    return fail(ErrorKind::kUnreachable, "cannot reach " + name + ": " + ::gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, AddressDeleter> addresses(found);
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    UniqueFd fd(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = fd.valid() ? connect_within(fd.get(), *at, timeout_ms) : errno;
    if (error == 0) return SendConnection(std::move(fd), name, timeout_ms);
  }
  return fail(ErrorKind::kUnreachable, "cannot reach " + name + ": " + text_of(error));
}

Result<> SendConnection::wait_for(short events, const char* what) {
  pollfd waiting{fd_.get(), events, 0};
  for (;;) {
    const int ready = ::poll(&waiting, 1, milliseconds(timeout_ms_));
    if (ready > 0) return {};
    if (ready < 0 && errno == EINTR) continue;
    return fail(ErrorKind::kUnreachable, name_ + " " + what + " in time");
  }
}

Result<> SendConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      if (auto ready = wait_for(POLLOUT, "took no more bytes"); !ready) return ready;
    } else if (errno != EINTR) {
      return fail(ErrorKind::kUnreachable, name_ + " closed the connection: " + text_of(errno));
    }
  }
  return {};
}

Result<> SendConnection::read_ack(std::string_view id) {
  std::string received;
  char buffer[kAckBytesMax];
  for (;;) {
    if (auto ready = wait_for(POLLIN, "sent no ack"); !ready) return ready;
    const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) {
      return fail(ErrorKind::kUnreachable, name_ + " closed the connection before the ack");
    }
    received.append(buffer, static_cast<size_t>(count));
    if (begins_helo(received)) continue;
    std::string_view answered;
    const Ack ack = read_answer(received, answered);
    const bool wrong = ack == Ack::kOther || (ack == Ack::kWhole && answered != id);
    if (wrong || received.size() > kAckBytesMax) {
      return not_an_ack(received);
    }
    if (ack == Ack::kWhole) return {};
  }
}

Result<> SendConnection::finish() {
  ::shutdown(fd_.get(), SHUT_WR);
  std::string received;
  char buffer[kAckBytesMax];
  // A peer that neither speaks nor closes is no error: it was not asked for an answer.
  while (wait_for(POLLIN, "does not close")) {
    const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count > 0) received.append(buffer, static_cast<size_t>(count));
    if (count > 0 && !begins_helo(received)) break;
    if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN)) break;
  }
  return received.empty() ? Result<>() : not_an_ack(received);
}

tl::unexpected<Error> SendConnection::not_an_ack(std::string_view received) const {
  if (received.starts_with(kHelo)) {
    return fail(ErrorKind::kUnreachable,
                name_ + " asks for a shared key, and millrace send knows none");
  }
  return fail(ErrorKind::kUnreachable, name_ + " sent something that is not the ack");
}

}  // namespace millrace::cli
