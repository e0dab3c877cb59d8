// SPDX-License-Identifier: Apache-2.0
#include "event/tcp_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace millrace::event {
namespace {

// A peer that goes on sending after our FIN is read this far, then reset.
constexpr uint64_t kDrainBytesMax = 4ULL << 20;
// Dead peers are noticed after 120 + 4 * 30 s, and address translators, which forget a quiet
// connection after 300 s or more, see a packet in time.
constexpr int kKeepaliveIdleSeconds = 120;
constexpr int kKeepaliveIntervalSeconds = 30;
constexpr int kKeepaliveProbes = 4;

struct WriteRequest {
  uv_write_t request{};
  std::string bytes;
};

uv_stream_t* stream_of(uv_tcp_s* handle) { return reinterpret_cast<uv_stream_t*>(handle); }

void set_option(int fd, int level, int name, int value) {
  // Fails only on a socket that is gone already; the next read will tell.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

std::string text_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = nullptr;
  int family = address.ss_family;
  if (family == AF_INET) {
    bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  } else if (family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    bytes = &v6;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      family = AF_INET;
      bytes = &v6.s6_addr[12];
    }
  }
  if (bytes == nullptr || inet_ntop(family, bytes, text.data(), text.size()) == nullptr) {
    return "unknown";
  }
  return text.data();
}

}  // namespace

TcpStream::TcpStream(Loop& loop) : loop_(loop), handle_(new uv_tcp_t) {
  CHECK(loop.is_on_thread());
  CHECK(uv_tcp_init(loop.raw(), handle_.get()) == 0);
  handle_->data = this;
}

TcpStream::~TcpStream() = default;

std::unique_ptr<TcpStream> TcpStream::from_fd(Loop& loop, int fd) {
  std::unique_ptr<TcpStream> stream(new TcpStream(loop));
  if (uv_tcp_open(stream->handle_.get(), fd) != 0) {
    ::close(fd);
    return nullptr;
  }
  stream->prepare();
  return stream;
}

void TcpStream::prepare() {
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(handle_.get()), &fd) != 0) return;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    peer_address_ = text_of(address);
    knows_peer_ = true;
  }
}

void TcpStream::start_reading() {
  if (reading_ || ended_) return;
  reading_ = true;
  const auto alloc = [](uv_handle_t* handle, size_t, uv_buf_t* out) {
    const ReadBuffer buffer = static_cast<TcpStream*>(handle->data)->owner_->read_buffer();
    *out = uv_buf_init(buffer.data, static_cast<unsigned>(std::min(buffer.size, size_t{1} << 30)));
  };
  const auto read = [](uv_stream_t* handle, ssize_t size, const uv_buf_t*) {
    if (handle->data != nullptr) static_cast<TcpStream*>(handle->data)->received(size);
  };
  if (uv_read_start(stream_of(handle_.get()), alloc, read) != 0) reading_ = false;
}

void TcpStream::stop_reading() {
  if (!reading_) return;
  reading_ = false;
  uv_read_stop(stream_of(handle_.get()));
}

void TcpStream::received(ptrdiff_t size) {
  if (size == 0) return;  // EAGAIN
  if (size > 0) {
    if (!finishing_) return owner_->on_read(static_cast<size_t>(size));
    drained_bytes_ += static_cast<uint64_t>(size);
    if (drained_bytes_ > kDrainBytesMax) end_finish();
    return;
  }
  stop_reading();
  if (size == UV_EOF) ended_ = true;
  if (finishing_) {
    end_finish();
  } else if (ended_) {
    owner_->on_end();
  } else {
    owner_->on_broken(static_cast<int>(-size));
  }
}

bool TcpStream::write(std::string_view bytes) {
  if (bytes.empty()) return true;
  uv_stream_t* stream = stream_of(handle_.get());
  uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int written = uv_try_write(stream, &buffer, 1);
  if (written < 0 && written != UV_EAGAIN) return false;
  if (written > 0) bytes.remove_prefix(static_cast<size_t>(written));
  if (bytes.empty()) return true;

  auto request = std::make_unique<WriteRequest>();
  request->bytes = bytes;
  request->request.data = request.get();
  buffer = uv_buf_init(request->bytes.data(), static_cast<unsigned>(request->bytes.size()));
  const auto done = [](uv_write_t* finished, int status) {
    const std::unique_ptr<WriteRequest> owned(static_cast<WriteRequest*>(finished->data));
    if (void* self = finished->handle->data) static_cast<TcpStream*>(self)->write_done(status);
  };
  if (uv_write(&request->request, stream, &buffer, 1, done) != 0) return false;
  (void)request.release();  // the callback frees it
  return true;
}

void TcpStream::write_done(int status) {
  if (finishing_ || status == UV_ECANCELED) return;
  if (status < 0) {
    stop_reading();
    owner_->on_broken(-status);
  } else if (queued_bytes() == 0) {
    owner_->on_written();
  }
}

size_t TcpStream::queued_bytes() const {
  return uv_stream_get_write_queue_size(reinterpret_cast<const uv_stream_t*>(handle_.get()));
}

void TcpStream::finish(uint64_t drain_ms) {
  if (finishing_) return;
  finishing_ = true;
  stop_reading();
  // The peer has said its last word and all of ours is with the kernel: closing sends the FIN.
  if (ended_ && queued_bytes() == 0) return end_finish();
  drain_timer_ = std::make_unique<Timer>(loop_, [this] { end_finish(); });
  drain_timer_->start(drain_ms);
  auto request = std::make_unique<uv_shutdown_t>();
  const auto done = [](uv_shutdown_t* finished, int) {
    const std::unique_ptr<uv_shutdown_t> owned(finished);
    if (void* self = finished->handle->data) static_cast<TcpStream*>(self)->shut_down();
  };
  if (uv_shutdown(request.get(), stream_of(handle_.get()), done) != 0) return end_finish();
  (void)request.release();  // the callback frees it
}

void TcpStream::shut_down() {
  if (finished_) return;
  if (ended_) return end_finish();
  start_reading();
}

void TcpStream::end_finish() {
  if (finished_) return;
  finished_ = true;
  stop_reading();
  if (drain_timer_ != nullptr) drain_timer_->stop();
  owner_->on_finished();
}

}  // namespace millrace::event
