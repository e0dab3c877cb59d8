// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dead letters whose chunks are queued: a requeue left them that was killed before it removed them,
// or whoever gave a chunk up and was killed before its line. The log will deliver the chunk, so the
// file must not stay: it would be requeued once more when nobody knows of that delivery any longer.
// Invariant: a letter is removed only if its chunk was read back from the log with the same bytes.
// Main thread, at start, with the log's LOCK held.

#include <cstddef>
#include <string>
#include <vector>

#include "buffer/chunk_reader.h"
#include "buffer/dead_letter_files.h"
#include "io/io.h"

namespace millrace::buffer {

/// Removes those of `chunks`, which are durable. What cannot be read or removed stays.
void remove_left_letters(io::FileSystem& files, const std::string& log_directory,
                         const std::vector<QueuedChunk>& chunks, ChunkReader& reader);

}  // namespace millrace::buffer
