// SPDX-License-Identifier: Apache-2.0
#pragma once

// Open files: what the system lets this process open is shared so that clients cannot take the
// files that buffer and outputs need. Called once, by the main thread, before anything is opened.

#include <cstdint>

#include "config/model.h"

namespace millrace::app {

/// Raises the limit of open files as far as the system allows (setrlimit(2)) and returns it.
uint64_t raise_open_files();

/// `config`, where necessary with a lower connection_limit for each source, so that all connections
/// and everything else fit into `open_files_max`. The log tells of it.
config::Config fit_connections(config::Config config, uint64_t open_files_max);

}  // namespace millrace::app
