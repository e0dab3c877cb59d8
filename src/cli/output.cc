// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "app/exit_code.h"

namespace millrace::cli {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

}  // namespace

bool Output::write(std::string_view text) {
  if (error_ != 0) return false;
  buffer_ += text;
  return buffer_.size() < kBufferBytes || flush();
}

bool Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && error_ == 0) {
    const ssize_t count = ::write(fd_, rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<size_t>(count));
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  buffer_.clear();
  return error_ == 0;
}

int Output::finish(int exit_code) {
  flush();
  if (error_ == 0 || error_ == EPIPE) return exit_code;
  complain("cannot write the output: " + std::generic_category().message(error_));
  return exit_code == app::kExitFine ? app::kExitDisk : exit_code;
}

void complain(std::string_view text) { complain_of("millrace", text); }

void complain_of(std::string_view place, std::string_view text) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(place.size()), place.data(),
               static_cast<int>(text.size()), text.data());
}

}  // namespace millrace::cli
