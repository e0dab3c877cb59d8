// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the chunk that somebody names: in the logs, in dead/, or a dead letter by the path of its
// file. Of several lives of one id the unfinished chunk counts, then the dead letter, then what was
// finished. One thread. Invariant: either a chunk of a log or a dead letter is found, not both.

#include <optional>

#include "cli/buffer_logs.h"

namespace millrace::cli {

struct FoundPlace {
  ViewedLog log;  // without a view for a dead letter by its path
  const buffer::ViewedChunk* chunk = nullptr;
  std::optional<buffer::DeadLetterFile> letter;
};

/// The chunk, or the exit code when it has been told why there is none.
tl::expected<FoundPlace, int> find_chunk(io::FileSystem& files, const Arguments& arguments,
                                         const std::string& name);

}  // namespace millrace::cli
