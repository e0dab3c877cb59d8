// SPDX-License-Identifier: Apache-2.0
#pragma once

// A dead letter as a chunk that can be queued again: the OPEN it had, and its body cut into records
// as they stood. Head, key, body and tail are proved to be those of the file, so that a delivery
// made of them has the same bytes. Values; any thread. `records` are views of `bytes`.

#include <string>
#include <string_view>
#include <vector>

#include "buffer/dead_letter_files.h"

namespace millrace::cli {

struct RequeuedChunk {
  buffer::OpenPayload open;
  std::string bytes;                      // of the .chunk
  std::vector<std::string_view> records;  // none: the disk had lost them all, as its .json tells
};

/// Reads the dead letter. kInvalid: it was not made to be delivered, or only `force` delivers it.
/// kCorrupt: its files are damaged.
Result<RequeuedChunk> read_requeued(io::FileSystem& files, const buffer::DeadLetterFile& letter,
                                    bool force);

}  // namespace millrace::cli
