// SPDX-License-Identifier: Apache-2.0
#pragma once

// Secondary: where chunks go that an output gave up ([match.secondary]): two files a chunk in a
// directory, <basename>.<chunk id 32 hex> with the whole delivery (head, body, tail: `millrace
// decode` reads it) and the same name with .json beside it (chunk id, partition key, reason,
// attempts, last error), which comes first: whoever takes deliveries from there finds the reason.
// One without its delivery is of a process that was killed: its chunk was given up or sent later.
// What is not finished has a hidden name. The name is the chunk's, so a chunk that is written again
// after a crash replaces its own files (what has other bytes is kept, for the disk has damaged one
// of both), and outputs, workers and processes can share a directory. Does not decide when a chunk
// is given up, nor finish it. Invariant: write() returned without error only if both files and the
// directory are durable. write(): any thread.

#include <memory>
#include <string>

#include "buffer/chunk_reader.h"
#include "config/model.h"
#include "io/io.h"

namespace millrace::flush {

class Secondary {
 public:
  /// Makes the directory and tries to write into it.
  static Result<std::unique_ptr<Secondary>> open(io::Io io, const config::Secondary& options,
                                                 const std::string& output_id);

  /// False: all of the chunk lies there, and the log has less; that stays.
  Result<bool> write(const buffer::QueuedChunk& chunk, const buffer::LoadedChunk& loaded);
  const std::string& directory() const { return options_.directory; }

 private:
  Secondary(io::Io io, config::Secondary options, std::string output_id);

  io::Io io_;
  const config::Secondary options_;
  const std::string output_id_;
};

}  // namespace millrace::flush
