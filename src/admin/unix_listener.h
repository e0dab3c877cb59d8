// SPDX-License-Identifier: Apache-2.0
#pragma once

// A listening Unix socket that only its owner may use, and its file. Binds with mode 0600 from the
// first moment, whatever the umask. Takes the place of a socket nobody listens on any more, of
// nothing else. Move-only; any thread.
// Invariant: the destructor removes the file only if it is still the one that was made.

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace millrace::admin {

class UnixListener {
 public:
  /// kLocked: a process listens there; kExists: something else than a socket lies there;
  /// kInvalid: the path is longer than a socket's address takes; kPermission, kIo as the system
  /// says.
  static Result<UnixListener> open(const std::string& path);

  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  int fd() const { return fd_.get(); }

 private:
  UnixListener(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  bool remember_file();

  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace millrace::admin
