// SPDX-License-Identifier: Apache-2.0
#pragma once

// Dead letters: chunks that cannot be delivered, kept as files in <log>/dead: <id>.chunk (the whole
// delivery: head, body, tail) and <id>.json (why). The .json is written last, so a .chunk without
// one is unfinished; what is there from a dead process is written again. Invariant: write()
// returned without error only if both files and the directory are durable. Housekeeping thread.

#include <array>
#include <string>

#include "buffer/chunk_reader.h"
#include "buffer/dead_letter_files.h"
#include "io/io.h"

namespace millrace::buffer {

namespace reason {
constexpr const char* kRefused = "refused";
constexpr const char* kRetryLimit = "retry_limit";
constexpr const char* kByHand = "by_hand";
constexpr const char* kUnmatched = "unmatched";
constexpr const char* kOversize = "oversize";
constexpr const char* kExpansion = "expansion";
constexpr const char* kUndecodable = "undecodable";
}  // namespace reason

/// All that dead_letter_reason() says of chunks that were given up.
inline constexpr std::array kDeadLetterReasons = {
    reason::kRefused,  reason::kRetryLimit, reason::kByHand,     reason::kUnmatched,
    reason::kOversize, reason::kExpansion,  reason::kUndecodable};

/// The word for `reason` in the .json, in logs and in metrics.
const char* dead_letter_reason(const QueuedChunk& chunk);

/// False: the letter that lies there is whole, and the log has less; it stays. One of other bytes
/// is renamed, never written over.
Result<bool> write_dead_letter(io::FileSystem& files, const std::string& log_directory,
                               const QueuedChunk& chunk, const LoadedChunk& loaded);

/// For a chunk that is given up: true if all of it lies there and the log has less; that is durable
/// then and stays. Else what lies there and has other bytes is renamed.
Result<bool> keep_what_is_there(io::FileSystem& files, const GivenUpFiles& names, const ChunkId& id,
                                const LoadedChunk& loaded);
/// The delivery first or the description: both files and the directory are durable when it returns
/// without error. What is there under these names is written again. `output`: told in the JSON
/// unless it is empty.
Result<> write_given_up(io::FileSystem& files, const GivenUpFiles& names, const QueuedChunk& chunk,
                        const LoadedChunk& loaded, const std::string& output,
                        bool description_first);

}  // namespace millrace::buffer
