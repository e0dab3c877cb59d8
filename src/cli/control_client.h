// SPDX-License-Identifier: Apache-2.0
#pragma once

// One HTTP exchange with the control socket of a running service. Blocks until the answer is there.
// Any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::cli {

struct ControlAnswer {
  int status = 0;
  std::string body;
};

/// Sends `method` `target` to the Unix socket `path`. kUnreachable: nobody listens there, or no
/// whole answer came within `timeout_ms`; kPermission: the socket is somebody else's; kInvalid:
/// the answer is not HTTP or larger than 16 MiB.
Result<ControlAnswer> ask_service(const std::string& path, std::string_view method,
                                  std::string_view target, uint64_t timeout_ms);

}  // namespace millrace::cli
