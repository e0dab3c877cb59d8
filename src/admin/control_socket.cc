// SPDX-License-Identifier: Apache-2.0
#include "admin/control_socket.h"

#include <fcntl.h>
#include <microhttpd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "admin/unix_listener.h"
#include "base/log.h"
#include "metrics/exposition.h"

namespace millrace::admin {
namespace {

constexpr unsigned kConnectionsMax = 32;
constexpr size_t kConnectionMemoryBytes = 16 << 10;
constexpr unsigned kIdleSeconds = 10;
constexpr const char* kJson = "application/json";
constexpr const char* kText = "text/plain; charset=utf-8";

struct Answer {
  unsigned status = MHD_HTTP_OK;
  const char* type = kText;
  std::string body;
  const char* allow = nullptr;  // of 405
};

Answer refusal(unsigned status, std::string sentence, const char* allow = nullptr) {
  return {status, kText, std::move(sentence) + "\n", allow};
}

Answer flushed(const ControlHandlers& handlers) {
  const Result<uint64_t> chunks = handlers.flush();
  if (!chunks) return refusal(MHD_HTTP_SERVICE_UNAVAILABLE, chunks.error().message);
  return {MHD_HTTP_OK, kJson, "{\"chunks\":" + std::to_string(*chunks) + "}\n"};
}

Answer answer(const ControlHandlers& handlers, std::string_view method, std::string_view path) {
  const bool get = method == "GET" || method == "HEAD";
  if (path == "/metrics" || path == "/status") {
    if (!get) return refusal(MHD_HTTP_METHOD_NOT_ALLOWED, "This path takes GET.", "GET, HEAD");
    if (path == "/metrics") {
      return {MHD_HTTP_OK, metrics::kExpositionContentType, handlers.metrics()};
    }
    return {MHD_HTTP_OK, kJson, handlers.status()};
  }
  if (path == "/flush") {
    if (method != "POST") {
      return refusal(MHD_HTTP_METHOD_NOT_ALLOWED, "This path takes POST.", "POST");
    }
    return flushed(handlers);
  }
  return refusal(MHD_HTTP_NOT_FOUND, "There is GET /metrics, GET /status and POST /flush.");
}

struct ResponseDeleter {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};

MHD_Result send(MHD_Connection* connection, const Answer& answer) {
  // MUST_COPY does not change the bytes, but its parameter is not const.
  const std::unique_ptr<MHD_Response, ResponseDeleter> response(MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY));
  if (!response) return MHD_NO;
  MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
  if (answer.allow != nullptr) {
    MHD_add_response_header(response.get(), MHD_HTTP_HEADER_ALLOW, answer.allow);
  }
  return MHD_queue_response(connection, answer.status, response.get());
}

// Called once when the head of a request is there, again for each part of its body, and once more
// at its end. A body is of no use here: what there is of it is passed over.
MHD_Result on_request(void* handlers, MHD_Connection* connection, const char* path,
                      const char* method, const char*, const char*, size_t* body_bytes,
                      void** request) {
  static char seen;
  if (*request == nullptr) {
    *request = &seen;
    return MHD_YES;
  }
  if (*body_bytes > 0) {
    *body_bytes = 0;
    return MHD_YES;
  }
  return send(connection, answer(*static_cast<const ControlHandlers*>(handlers), method, path));
}

void on_library_message(void*, const char*, va_list) {}

}  // namespace

void ControlSocket::DaemonDeleter::operator()(MHD_Daemon* daemon) const noexcept {
  MHD_stop_daemon(daemon);
}

ControlSocket::ControlSocket(UnixListener listener, ControlHandlers handlers)
    : handlers_(std::move(handlers)),
      listener_(std::make_unique<UnixListener>(std::move(listener))) {}

ControlSocket::~ControlSocket() = default;

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(const std::string& path,
                                                           ControlHandlers handlers) {
  Result<UnixListener> listener = UnixListener::open(path);
  if (!listener) return tl::unexpected(listener.error());
  std::unique_ptr<ControlSocket> made(new ControlSocket(*std::move(listener), std::move(handlers)));
  // The library closes the descriptor that it is given.
  UniqueFd fd(::fcntl(made->listener_->fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot serve " + path);
  made->daemon_.reset(
      MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, nullptr,
                       nullptr, &on_request, const_cast<ControlHandlers*>(&made->handlers_),  //
                       MHD_OPTION_EXTERNAL_LOGGER, &on_library_message, nullptr,              //
                       MHD_OPTION_LISTEN_SOCKET, fd.get(),                                    //
                       MHD_OPTION_CONNECTION_LIMIT, kConnectionsMax,                          //
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemoryBytes,            //
                       MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,                           //
                       MHD_OPTION_END));
  if (!made->daemon_) return fail(ErrorKind::kIo, "cannot start the thread that serves " + path);
  fd.release();
  log::debug("admin", "control socket ready", {{"path", path}});
  return made;
}

}  // namespace millrace::admin
