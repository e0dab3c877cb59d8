// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace millrace {

tl::unexpected<Error> fail_errno(int errno_value, const std::string& what) {
  ErrorKind kind = ErrorKind::kIo;
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
      kind = ErrorKind::kNoSpace;
      break;
    case EACCES:
    case EPERM:
      kind = ErrorKind::kPermission;
      break;
    case ENOENT:
      kind = ErrorKind::kNotFound;
      break;
    case EEXIST:
      kind = ErrorKind::kExists;
      break;
    case EWOULDBLOCK:
      kind = ErrorKind::kLocked;
      break;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case ECONNREFUSED:
      kind = ErrorKind::kUnreachable;
      break;
    default:
      break;
  }
  return tl::unexpected<Error>(
      Error{kind, errno_value, what + ": " + std::generic_category().message(errno_value)});
}

}  // namespace millrace
