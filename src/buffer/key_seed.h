// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seed of request keys that a process goes on with: one for all its logs, so that a message is
// known whichever worker gets it again. It stands in every segment header. Reads headers, changes
// nothing, and needs no lock. Main thread, before the logs are opened.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/io.h"

namespace millrace::buffer {

struct FoundKeySeed {
  std::optional<uint64_t> seed;  // in the valid segment header that has one and was made last
  size_t unreadable = 0;         // headers
};

/// Looks through all these log directories. One that is missing or cannot be read counts as empty:
/// opening it tells what is wrong.
FoundKeySeed find_key_seed(io::FileSystem& files, const std::vector<std::string>& directories);

}  // namespace millrace::buffer
