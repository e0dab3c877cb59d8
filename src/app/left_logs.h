// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the logs on disk that this process does not open: those of an output whose id or path has
// changed, or of workers that are no more. Looks and tells; it opens, moves and removes nothing.
// Main thread, at start.

#include <string>
#include <vector>

#include "config/model.h"
#include "io/io.h"

namespace millrace::app {

/// Directories of logs below root_dir and the buffers' paths that are not in `opened`, in order.
/// A directory that cannot be listed is passed over.
std::vector<std::string> left_logs(io::FileSystem& files, const config::Config& config,
                                   const std::vector<std::string>& opened);

}  // namespace millrace::app
