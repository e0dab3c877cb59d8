// SPDX-License-Identifier: Apache-2.0
#pragma once

// A configuration for a command: loaded with patterns compiled as the router will, its errors
// printed on stderr. Main thread.

#include <string>

#include "config/load.h"

namespace millrace::cli {

/// The configuration, or the exit code when its errors have been printed.
tl::expected<config::Loaded, int> load_configuration(const std::string& path);

/// The control socket of the service that runs with this configuration, or the exit code.
tl::expected<std::string, int> control_socket_of(const std::string& path);

void print_problems(const std::vector<config::Problem>& problems);

}  // namespace millrace::cli
