// SPDX-License-Identifier: Apache-2.0
#include "buffer/left_letters.h"

#include <algorithm>

#include "base/log.h"

namespace millrace::buffer {
namespace {

void remove_left_letter(io::FileSystem& files, const std::string& log_directory,
                        const QueuedChunk& chunk, ChunkReader& reader) {
  DeadLetterFile letter;
  letter.id = chunk.id;
  letter.path = dead_letter_path(log_directory, chunk.id);
  LoadedChunk loaded;
  const auto bytes = io::read_whole(files, letter.path, kDeadLetterBytesMax);
  const auto read = reader.read(chunk, loaded);
  Result<> gone = fail(ErrorKind::kCorrupt, "its bytes are not those of the chunk");
  if (!bytes || !read) {
    gone = tl::unexpected(bytes ? read.error() : bytes.error());
  } else if (!loaded.damaged && loaded.bytes == *bytes) {
    gone = remove_dead_letter(files, letter);
  }
  log::warn("buffer",
            gone ? "a dead letter was removed: its chunk is queued"
                 : "a dead letter stays though its chunk is queued",
            {{"path", letter.path}, {"error", gone ? "" : gone.error().message}});
}

// As names of files are in order.
bool before(const ChunkId& a, const ChunkId& b) { return a.view() < b.view(); }

}  // namespace

void remove_left_letters(io::FileSystem& files, const std::string& log_directory,
                         const std::vector<QueuedChunk>& chunks, ChunkReader& reader) {
  const auto ids = list_dead_letter_ids(files, log_directory);
  if (!ids || ids->empty()) return;
  for (const QueuedChunk& chunk : chunks) {
    if (chunk.kind != ChunkKind::kDeliver) continue;  // its letter is written again
    if (!std::binary_search(ids->begin(), ids->end(), chunk.id, before)) continue;
    remove_left_letter(files, log_directory, chunk, reader);
  }
}

}  // namespace millrace::buffer
