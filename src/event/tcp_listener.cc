// SPDX-License-Identifier: Apache-2.0
#include "event/tcp_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace millrace::event {
namespace {

struct AddressListDeleter {
  void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDeleter>;

std::string place_of(const ListenOptions& options) {
  const bool v6 = options.address.find(':') != std::string::npos;
  return (v6 ? "[" + options.address + "]" : options.address) + ":" + std::to_string(options.port);
}

Result<AddressList> resolve(const ListenOptions& options) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* list = nullptr;
  const std::string service = std::to_string(options.port);
  if (getaddrinfo(options.address.c_str(), service.c_str(), &hints, &list) != 0) {
    return fail(ErrorKind::kInvalid, "'" + options.address + "' is not an IPv4 or IPv6 address");
  }
  return AddressList(list);
}

Result<UniqueFd> bound_socket(const addrinfo& address, bool reuse_port, const std::string& place) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot make a socket for " + place);
  const int on = 1;
  const int off = 0;
  bool set = setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
  if (reuse_port) set = set && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
  if (address.ai_family == AF_INET6) {
    set = set && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
  }
  if (!set) return fail_errno(errno, "cannot set the options of the socket for " + place);
  if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    return fail_errno(errno, "cannot listen on " + place);
  }
  return fd;
}

// Binding without SO_REUSEPORT and listening fails if anybody listens there.
Result<> check_port_free(const addrinfo& address, const std::string& place) {
  const Result<UniqueFd> probe = bound_socket(address, false, place);
  if (!probe) return tl::unexpected<Error>(probe.error());
  if (::listen(probe->get(), 1) != 0) return fail_errno(errno, "cannot listen on " + place);
  return {};
}

}  // namespace

TcpListener::TcpListener(Loop& loop, AcceptCallback on_accept)
    : loop_(loop), on_accept_(std::move(on_accept)), handle_(new uv_tcp_t) {
  CHECK(loop.is_on_thread());
  CHECK(uv_tcp_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

TcpListener::~TcpListener() = default;

Result<std::unique_ptr<TcpListener>> TcpListener::open(Loop& loop, const ListenOptions& options,
                                                       AcceptCallback on_accept) {
  const Result<AddressList> list = resolve(options);
  if (!list) return tl::unexpected<Error>(list.error());
  const addrinfo& address = **list;
  const std::string place = place_of(options);
  if (options.port_must_be_free && options.port != 0) {
    const Result<> port_free = check_port_free(address, place);
    if (!port_free) return tl::unexpected<Error>(port_free.error());
  }
  Result<UniqueFd> fd = bound_socket(address, true, place);
  if (!fd) return tl::unexpected<Error>(fd.error());

  std::unique_ptr<TcpListener> listener(new TcpListener(loop, std::move(on_accept)));
  const Result<> listening = listener->listen(fd->release(), options);
  if (!listening) return tl::unexpected<Error>(listening.error());
  return listener;
}

Result<> TcpListener::listen(int fd, const ListenOptions& options) {
  const std::string place = place_of(options);
  if (const int status = uv_tcp_open(handle_.get(), fd); status != 0) {
    ::close(fd);
    return fail_errno(-status, "cannot listen on " + place);
  }
  const auto connected = [](uv_stream_t* handle, int status) {
    if (handle->data != nullptr) static_cast<TcpListener*>(handle->data)->accept_one(status);
  };
  const int status =
      uv_listen(reinterpret_cast<uv_stream_t*>(handle_.get()), options.backlog, connected);
  if (status != 0) return fail_errno(-status, "cannot listen on " + place);

  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return fail_errno(errno, "cannot tell the port of " + place);
  }
  port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                            : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  return {};
}

void TcpListener::accept_one(int status) {
  if (status != 0) {
    log::warn("event", "a connection could not be accepted", {{"error", uv_strerror(status)}});
    return;
  }
  std::unique_ptr<TcpStream> stream(new TcpStream(loop_));
  if (uv_accept(reinterpret_cast<uv_stream_t*>(handle_.get()),
                reinterpret_cast<uv_stream_t*>(stream->handle_.get())) != 0) {
    return;
  }
  stream->prepare();
  hand_over(std::move(stream));
}

// Who reset its connection before it was accepted has no name any more and reads no answer; what it
// sends again on another connection has to be known by the name that it has there.
void TcpListener::hand_over(std::unique_ptr<TcpStream> stream) {
  if (stream->knows_peer()) {
    on_accept_(std::move(stream));
  } else {
    log::debug("event", "a connection was reset before it was accepted", {{"port", port_}});
  }
}

void TcpListener::close() {
  if (handle_ == nullptr) return;
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(handle_.get()), &fd) == 0) {
    for (;;) {
      const int waiting = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (waiting < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
      if (waiting < 0) break;
      std::unique_ptr<TcpStream> stream = TcpStream::from_fd(loop_, waiting);
      if (stream != nullptr) hand_over(std::move(stream));
    }
  }
  handle_.reset();
}

}  // namespace millrace::event
