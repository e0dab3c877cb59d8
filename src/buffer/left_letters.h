// SPDX-License-Identifier: Apache-2.0
#pragma once

// LeftLetters: the dead letters of chunks that are to be delivered. A requeue left them that was
// killed before it removed them, or whoever gave a chunk up and was killed before its line. Such a
// letter must not outlive the delivery, or it would be requeued once more when nobody knows of that
// any longer: it is removed when its chunk was read for its delivery and has the same bytes. If it
// is whole and the disk has lost records of the chunk, the letter is the chunk, and stays.
// Invariant: a letter is removed only if its bytes are those that are delivered now. Made at start,
// with the log's LOCK held; settle(): flush threads.

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "buffer/chunk_reader.h"
#include "buffer/dead_letter_files.h"
#include "io/io.h"

namespace millrace::buffer {

class LeftLetters {
 public:
  /// `chunks`: all that the start found and that are to be delivered.
  LeftLetters(io::FileSystem& files, std::string log_directory, std::vector<ChunkId> chunks);

  /// Before each delivery of `chunk`, whose bytes are `loaded`. False: not to be delivered, for its
  /// letter is whole. An error: not to be delivered now, for nobody knows. A letter that cannot be
  /// removed is told, and tried again.
  Result<bool> settle(const QueuedChunk& chunk, const LoadedChunk& loaded);

 private:
  bool may_have(const ChunkId& id);
  void forget(const ChunkId& id);
  Result<bool> keep(const GivenUpFiles& names, const LoadedChunk& loaded);

  io::FileSystem& files_;
  const std::string directory_;
  std::atomic<bool> any_{false};
  std::mutex mutex_;                // guards the ids
  std::vector<ChunkId> unsettled_;  // in order
};

}  // namespace millrace::buffer
