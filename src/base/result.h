// SPDX-License-Identifier: Apache-2.0
#pragma once

// Result<T>: the value, or the Error that the world answered with. Used for everything that a
// full disk, a closed socket or a wrong file can break. Broken invariants are CHECKs, not Errors.
// Values; any thread.

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace millrace {

/// What kind of failure it is, as far as a caller acts on it.
enum class ErrorKind {
  kInvalid,      // the input is wrong: configuration, arguments, bytes
  kIo,           // disk or file system, errno_value tells
  kNoSpace,      // ENOSPC or EDQUOT
  kPermission,   // EACCES or EPERM
  kNotFound,     // ENOENT
  kExists,       // EEXIST
  kLocked,       // another process holds it
  kUnreachable,  // nobody answers, or the address is taken
  kCorrupt,      // bytes that were written by us do not hold
  kInterrupted,  // asked to stop before it was done
};

struct Error {
  ErrorKind kind = ErrorKind::kInvalid;
  int errno_value = 0;  // 0: no system call failed
  std::string message;  // one sentence for an operator; never a secret, never a payload
};

template <class T = void>
using Result = tl::expected<T, Error>;

/// An Error of `kind` with `message`, ready to be returned from any function with a Result.
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, 0, std::move(message)});
}

/// The one place where an errno becomes an Error: "<what>: <text of errno>".
tl::unexpected<Error> fail_errno(int errno_value, const std::string& what);

}  // namespace millrace
