// SPDX-License-Identifier: Apache-2.0
#pragma once

// What flush and status have in common: find the socket, ask, complain. Main thread.

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/arguments.h"

namespace millrace::cli {

/// The body of a 200 answer, or the exit code when what is wrong has been printed.
tl::expected<std::string, int> ask_of(const Arguments& arguments, std::string_view method,
                                      std::string_view target, uint64_t timeout_ms);

}  // namespace millrace::cli
