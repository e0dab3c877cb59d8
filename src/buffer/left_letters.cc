// SPDX-License-Identifier: Apache-2.0
#include "buffer/left_letters.h"

#include <algorithm>
#include <iterator>

#include "base/log.h"

namespace millrace::buffer {
namespace {

bool before(const ChunkId& a, const ChunkId& b) { return a.view() < b.view(); }

}  // namespace

LeftLetters::LeftLetters(io::FileSystem& files, std::string log_directory,
                         std::vector<ChunkId> chunks)
    : files_(files), directory_(std::move(log_directory)) {
  if (chunks.empty()) return;
  std::sort(chunks.begin(), chunks.end(), before);
  if (const auto ids = list_dead_letter_ids(files, directory_); !ids) {
    log::warn("buffer", "dead/ cannot be listed; what is sent meanwhile may lie in it, too",
              {{"directory", directory_}, {"error", ids.error().message}});
    unsettled_ = std::move(chunks);
  } else {
    std::set_intersection(chunks.begin(), chunks.end(), ids->begin(), ids->end(),
                          std::back_inserter(unsettled_), before);
  }
  any_ = !unsettled_.empty();
}

Result<bool> LeftLetters::settle(const QueuedChunk& chunk, const LoadedChunk& loaded) {
  if (!any_ || !may_have(chunk.id)) return true;
  DeadLetterFile letter;
  letter.id = chunk.id;
  const GivenUpFiles names = dead_letter_names(directory_, chunk.id);
  letter.path = names.delivery_path();
  const auto is = compare_given_up(files_, names, chunk.id, loaded);
  Result<> settled = fail(ErrorKind::kCorrupt, "its bytes are not those of the chunk");
  if (!is && loaded.damaged) return tl::unexpected(is.error());
  if (!is) {
    settled = tl::unexpected(is.error());
  } else if (*is == LetterIs::kWhole) {
    return keep(names, loaded);
  } else if (*is != LetterIs::kOther) {  // the .json of one without its .chunk goes, too
    settled = remove_dead_letter(files_, letter);
  }
  if (settled || is.value_or(LetterIs::kSame) == LetterIs::kOther) forget(chunk.id);
  if (settled && *is == LetterIs::kAbsent) return true;
  if (settled) {
    log::warn("buffer", "a dead letter was removed: its chunk is queued", {{"path", letter.path}});
  } else {
    log::warn("buffer", "a dead letter stays though its chunk is queued",
              {{"path", letter.path}, {"error", settled.error().message}});
  }
  return true;
}

Result<bool> LeftLetters::keep(const GivenUpFiles& names, const LoadedChunk& loaded) {
  if (auto synced = sync_given_up(files_, names); !synced) {
    return tl::unexpected(synced.error());
  }
  log::error("buffer", "a chunk is not sent: all of it lies in dead/, to be requeued",
             {{"path", names.delivery_path()}, {"records_left_in_the_log", loaded.records}});
  return false;
}

bool LeftLetters::may_have(const ChunkId& id) {
  const std::lock_guard lock(mutex_);
  return std::binary_search(unsettled_.begin(), unsettled_.end(), id, before);
}

void LeftLetters::forget(const ChunkId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::lower_bound(unsettled_.begin(), unsettled_.end(), id, before);
  if (found != unsettled_.end() && *found == id) unsettled_.erase(found);
  any_ = !unsettled_.empty();
}

}  // namespace millrace::buffer
