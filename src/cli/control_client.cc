// SPDX-License-Identifier: Apache-2.0
#include "cli/control_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "base/unique_fd.h"

namespace millrace::cli {
namespace {

constexpr size_t kAnswerBytesMax = 16 << 20;

Result<UniqueFd> connect_to(const std::string& path, uint64_t timeout_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::kInvalid, "the path of the control socket is too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail_errno(errno, "cannot make a socket");
  const timeval limit{static_cast<time_t>(timeout_ms / 1000),
                      static_cast<suseconds_t>(timeout_ms % 1000 * 1000)};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    return fd;
  }
  const int error = errno;
  const std::string what = "no millrace answers on " + path;
  if (error == EACCES || error == EPERM) {
    return fail_errno(error, "the control socket " + path + " is not yours to open");
  }
  return fail(ErrorKind::kUnreachable, what + ": " + std::generic_category().message(error));
}

Result<ControlAnswer> parse(const std::string& answer) {
  const auto broken = [] {
    return fail(ErrorKind::kInvalid, "the control socket gave an answer that is not HTTP");
  };
  const size_t head_end = answer.find("\r\n\r\n");
  if (answer.rfind("HTTP/1.", 0) != 0 || head_end == std::string::npos || head_end < 12) {
    return broken();
  }
  ControlAnswer parsed;
  const char* const code = answer.data() + 9;
  if (std::from_chars(code, code + 3, parsed.status).ptr != code + 3) return broken();
  parsed.body = answer.substr(head_end + 4);
  // The connection ends with the answer; a whole one is as long as it says.
  const std::string_view head = std::string_view(answer).substr(0, head_end);
  const std::string_view name = "\r\nContent-Length: ";
  const size_t at = head.find(name);
  if (at == std::string_view::npos) return broken();
  size_t length = 0;
  std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length);
  if (length != parsed.body.size()) {
    return fail(ErrorKind::kUnreachable, "the service ended in the middle of its answer");
  }
  return parsed;
}

}  // namespace

Result<ControlAnswer> ask_service(const std::string& path, std::string_view method,
                                  std::string_view target, uint64_t timeout_ms) {
  const Result<UniqueFd> fd = connect_to(path, timeout_ms);
  if (!fd) return tl::unexpected(fd.error());
  const std::string request = std::string(method) + " " + std::string(target) + " HTTP/1.0\r\n\r\n";
  const ssize_t sent = ::send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) {
    return fail(ErrorKind::kUnreachable, "the service closed its control socket");
  }
  std::string answer;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t count = ::recv(fd->get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(ErrorKind::kUnreachable, "the service gave no answer in time");
    if (count == 0) return parse(answer);
    answer.append(buffer, static_cast<size_t>(count));
    if (answer.size() > kAnswerBytesMax) {
      return fail(ErrorKind::kInvalid, "the control socket gave an endless answer");
    }
  }
}

}  // namespace millrace::cli
