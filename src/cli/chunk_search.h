// SPDX-License-Identifier: Apache-2.0
#pragma once

// Finds the chunks that somebody names: in the logs, in dead/, or a dead letter by the path of its
// file. Of several lives of one id the unfinished chunk counts, then the dead letter, then what was
// finished. One thread. Invariant: either a chunk of a log or a dead letter is found, not both.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/buffer_logs.h"

namespace millrace::cli {

struct FoundPlace {
  // Never null; without a view for a dead letter by its path. Chunks of one log share it.
  std::shared_ptr<const ViewedLog> log;
  const buffer::ViewedChunk* chunk = nullptr;  // of the view
  std::optional<buffer::DeadLetterFile> letter;
};

/// For each name, in this order, its chunk, or the exit code when it has been told why there is
/// none. Each log is looked at once, however many names there are.
std::vector<tl::expected<FoundPlace, int>> find_chunks(io::FileSystem& files,
                                                       const Arguments& arguments,
                                                       const std::vector<std::string>& names);
/// The same for one name.
tl::expected<FoundPlace, int> find_chunk(io::FileSystem& files, const Arguments& arguments,
                                         const std::string& name);

}  // namespace millrace::cli
