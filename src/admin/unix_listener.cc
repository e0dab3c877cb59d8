// SPDX-License-Identifier: Apache-2.0
#include "admin/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace millrace::admin {
namespace {

constexpr mode_t kOwnerOnly = 0600;
constexpr int kBacklog = 16;

UniqueFd make_socket(int flags) {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

const sockaddr* as_sockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Unlinks a socket that nobody listens on; anything else that lies there is an Error.
Result<> remove_stale(const sockaddr_un& address) {
  const std::string path = address.sun_path;
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "cannot look at " + path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return fail(ErrorKind::kExists, path + " exists and is not a socket; it is left alone");
  }
  const UniqueFd probe = make_socket(SOCK_NONBLOCK);
  if (!probe.valid()) return fail_errno(errno, "cannot make a socket");
  if (::connect(probe.get(), as_sockaddr(address), sizeof address) == 0 || errno == EAGAIN) {
    return fail(ErrorKind::kLocked, "another process answers on " + path);
  }
  if (errno != ECONNREFUSED) return fail_errno(errno, "cannot ask who answers on " + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail_errno(errno, "cannot remove the left-over " + path);
  }
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::open(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::kInvalid, "the path of the control socket is too long: " + path);
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (Result<> removed = remove_stale(address); !removed) {
    return tl::unexpected(removed.error());
  }
  UniqueFd fd = make_socket(0);
  if (!fd.valid()) return fail_errno(errno, "cannot make a socket");
  // On Linux the file takes the mode of the socket, less the umask: never too wide, even before
  // the chmod that makes it wide enough.
  if (::fchmod(fd.get(), kOwnerOnly) != 0 ||
      ::bind(fd.get(), as_sockaddr(address), sizeof address) != 0) {
    return fail_errno(errno, "cannot make " + path);
  }
  UnixListener listener(std::move(fd), path);
  if (!listener.remember_file() || ::chmod(path.c_str(), kOwnerOnly) != 0 ||
      ::listen(listener.fd(), kBacklog) != 0) {
    return fail_errno(errno, "cannot make " + path);
  }
  return listener;
}

bool UnixListener::remember_file() {
  struct stat info {};
  if (::lstat(path_.c_str(), &info) != 0) return false;
  device_ = info.st_dev;
  inode_ = info.st_ino;
  return true;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener::~UnixListener() {
  struct stat info {};
  if (path_.empty() || ::lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace millrace::admin
