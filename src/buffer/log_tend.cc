// SPDX-License-Identifier: Apache-2.0
// What housekeeping does for a log, in the order of a round. A step that fails is tried again in
// the next round and never holds up another log.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "buffer/dead_letters.h"
#include "buffer/log.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;

constexpr uint64_t kSpareRetryMs = 1000;
constexpr uint64_t kPositionRetryMs = 1000;
constexpr uint64_t kRemovalRetryMs = 1000;       // each try costs a line of the position file
constexpr uint64_t kDeadLetterRetryMs = 10'000;  // one that cannot be read
constexpr uint64_t kDeadDirectoryRetryMs = 2'000;
constexpr int kLeftSegmentsARound = 8;                 // at a start there may be hundreds
constexpr int kDeadLettersARound = 8;                  // of three syncs each
constexpr uint64_t kLeastSegmentBytes = 256ULL << 10;  // on a disk that is nearly full

Metric dead_letter_metric(const QueuedChunk& chunk) {
  if (chunk.give_up == GiveUp::kRefused) return Metric::kDeadRefused;
  if (chunk.give_up == GiveUp::kRetryLimit) return Metric::kDeadRetryLimit;
  switch (chunk.dead_reason) {
    case DeadReason::kUnmatched:
      return Metric::kDeadUnmatched;
    case DeadReason::kOversize:
      return Metric::kDeadOversize;
    case DeadReason::kExpansion:
      return Metric::kDeadExpansion;
    default:
      return Metric::kDeadUndecodable;
  }
}

}  // namespace

bool Log::tend(const std::atomic<bool>* stopping) {
  tend_spare();
  tend_left_segments();
  tend_position();
  tend_dead_letters(stopping);
  tend_removals();
  if (std::exchange(removed_now_, false) && spare_missing_) {
    spare_retry_ms_ = 0;
    tend_spare();
  }
  if (spare_missing_) spares_.forget_wanted();
  tend_moves();
  tend_gauges();
  return spares_.filled() || refusing_;
}

// While the log refuses, a fail-over makes its own segment: what is left of the disk is for that.
void Log::tend_spare() {
  if (refusing_) return;
  const uint64_t wanted = spares_.wanted();
  const bool needed = wanted > 0 || (!spares_.filled() && writer_->wants_spare(seal_debt_));
  if (!needed && spare_missing_.exchange(false)) wake_waiting();
  if (!needed && (spares_.filled() || !moves_want_spare_)) return;
  const uint64_t now = io_.clock.running_ms();
  if (now < spare_retry_ms_) return;
  if (auto made = make_or_grow_spare(wanted); !made) {
    spare_retry_ms_ = now + kSpareRetryMs;
    if (!needed) return;  // nothing is stored less for it
    // Not while a segment that was left could not be finished: none could go, whatever is dropped.
    drop_wanted_ = !segments_.next_unfinished();
    if (made.error().kind != ErrorKind::kNoSpace) disk_failed(made.error());
    if (spare_missing_.exchange(true)) return;
    log::error("buffer", "the next segment cannot be made; storing waits for it, delivery goes on",
               {{"output", settings_.output_id}, {"error", made.error().message}});
    return;
  }
  spare_missing_ = false;
  wake_waiting();
}

Result<> Log::make_or_grow_spare(uint64_t wanted) {
  if (std::optional<Spare> spare = spares_.take_back()) {
    auto grown = grow_spare(*spare, std::max(wanted, spare->capacity));
    if (grown || grown.error().kind == ErrorKind::kNoSpace) {
      spares_.put(std::move(*spare));
    } else {
      (void)io_.files.unlink(spare->path);  // no sync of it may follow one that failed
    }
    return grown;
  }
  const uint64_t least = kSegmentHeaderBytes + kBlockBytes + seal_debt_;
  auto spare = make_spare(io_.files, settings_.directory, ++spare_number_, writer_->next_capacity(),
                          std::max({wanted, least, kLeastSegmentBytes}));
  if (!spare) return tl::unexpected(spare.error());
  spares_.put(std::move(*spare));
  return {};
}

// A segment that was left is cut to its end and synced, so that its successor never depends on it.
void Log::tend_left_segments() {
  const uint64_t now = io_.clock.running_ms();
  for (int done = 0; done < kLeftSegmentsARound; ++done) {
    const std::optional<Segment> segment = segments_.next_unfinished(now);
    if (!segment) return;
    if (finish_segment(*segment)) {
      write_side_file(*segment, false);
    } else {
      segments_.set_aside(*segment, now);
    }
  }
}

bool Log::finish_segment(const Segment& segment) {
  if (auto cut = cut_to_end(io_.files, settings_.directory, segment); !cut) {
    log::warn("buffer", "a segment cannot be cut to its end; tried again",
              {{"file", segment.name}, {"error", cut.error().message}});
    return false;
  }
  const uint64_t bytes = kSegmentHeaderBytes + (segment.end_lsn - segment.base_lsn);
  segments_.mark_finished(segment, std::min(bytes, segment.file_bytes), io_.clock.running_ms());
  return true;
}

// One that cannot be written is tried again before its segment goes. It holds up nothing: what its
// keys are for is rare, and a full disk is not.
void Log::write_side_file(const Segment& segment, bool last_chance) {
  size_t keys = 0;
  auto written = side_files_->write(segment, keys);
  if (written || !last_chance) return;
  housekeeping_cells_.add(Metric::kKeysLost, keys);
  log::warn("buffer",
            "the request keys of a segment are lost; a message sent again after a "
            "restart may be stored twice",
            {{"output", settings_.output_id}, {"keys", keys}, {"error", written.error().message}});
}

void Log::tend_position() {
  const ChunkQueue::Counts counts = queue_.counts();
  const uint64_t unfinished =
      counts.queued + counts.in_flight + counts.dead_letters + staged_chunks_;
  const uint64_t free_before = position_->free_slots();
  const auto reserved = position_->reserve(unfinished);
  const bool told = position_short_.exchange(!reserved);
  if (!reserved && !told) {
    log::warn("buffer", "the position file cannot grow; tried again",
              {{"output", settings_.output_id}, {"error", reserved.error().message}});
  }
  if (position_->free_slots() > free_before) wake_waiting();
  // A compaction would drop lines too early while a removal may be undone, or frames of a chunk
  // that has become finished are on their way to disk: copies, or the tail that a start found.
  if (!sync_position() || removals_unsynced_ || move_under_way_ || starting_) return;
  std::optional<std::vector<uint64_t>> unfinished_seqs;  // asked for once, if at all
  auto compacted = position_->compact(
      segments_.first_lsn(),
      [this](const std::vector<Share>& shares) { return segments_.holds_any(shares); },
      [&](uint64_t seq) {
        if (!unfinished_seqs) unfinished_seqs = queue_.unfinished();
        return std::binary_search(unfinished_seqs->begin(), unfinished_seqs->end(), seq);
      });
  if (!compacted) {
    log::warn("buffer", "the position file cannot be rewritten; tried again",
              {{"output", settings_.output_id}, {"error", compacted.error().message}});
  }
}

// True if every line is durable. A disk that fails is asked once a second.
bool Log::sync_position() {
  const uint64_t now = io_.clock.running_ms();
  if (position_failing_ && now < position_retry_ms_) return false;
  position_retry_ms_ = now + kPositionRetryMs;
  auto synced = position_->sync();
  tell_position(synced);
  if (synced && position_failing_.exchange(false)) {
    log::warn("buffer", "the position file is written again",
              {{"output", settings_.output_id}, {"worker", settings_.worker_id}});
  }
  return synced.has_value();
}

// A few at a time, for all logs wait meanwhile; the next round comes at once.
void Log::tend_dead_letters(const std::atomic<bool>* stopping) {
  if (io_.clock.running_ms() < dead_directory_retry_ms_) return;
  for (int done = 0; done < kDeadLettersARound; ++done) {
    if (stopping != nullptr && *stopping) return;
    std::optional<QueuedChunk> chunk = queue_.take_dead_letter();
    if (!chunk || !bury(std::move(*chunk))) return;
  }
  if (need_) need_();
}

// False if dead/ does not take it; then it takes none. One that cannot be read holds up no other.
bool Log::bury(QueuedChunk chunk) {
  if (dead_reader_ == nullptr) dead_reader_ = std::make_unique<ChunkReader>(make_reader());
  const auto read = dead_reader_->read(chunk, loaded_);
  note_damage(loaded_);
  if (!read) {
    if (chunk.not_before_ms == 0) {  // else it was told before
      log::error("buffer",
                 "a dead letter cannot be read; it stays in the buffer and is tried again",
                 {{"output", settings_.output_id},
                  {"chunk", chunk.id.uuid()},
                  {"error", read.error().message}});
    }
    chunk.not_before_ms = io_.clock.running_ms() + kDeadLetterRetryMs;
    queue_.give_back_dead_letter(std::move(chunk));
    return true;
  }
  const auto written = write_dead_letter(io_.files, settings_.directory, chunk, loaded_);
  if (!written) {
    housekeeping_cells_.add(Metric::kDeadLetterFailures);
    note_delivery("a dead letter cannot be written: " + written.error().message);
    log::error("buffer", "a dead letter cannot be written; it stays in the buffer",
               {{"output", settings_.output_id},
                {"chunk", chunk.id.uuid()},
                {"error", written.error().message}});
    queue_.give_back_dead_letter(std::move(chunk));
    dead_directory_retry_ms_ = io_.clock.running_ms() + kDeadDirectoryRetryMs;
    return false;
  }
  housekeeping_cells_.add(dead_letter_metric(chunk));
  if (*written) count_damage(housekeeping_cells_, loaded_);
  if (*written && loaded_.damaged) {
    log::error("buffer",
               "a damaged chunk was put into dead/ without the records that the disk lost",
               {{"output", settings_.output_id},
                {"chunk", chunk.id.uuid()},
                {"records", loaded_.records},
                {"missing_records", loaded_.missing_records},
                {"more_missing", loaded_.more_missing}});
  }
  log::warn("buffer", "a chunk was put into dead/",
            {{"output", settings_.output_id},
             {"chunk", chunk.id.uuid()},
             {"reason", dead_letter_reason(chunk)},
             {"records", *written ? loaded_.records : loaded_.seal.records},
             {"directory", settings_.directory + "/dead"}});
  finish(chunk, Finish::kDeadLetter);
  return true;
}

void Log::count_damage(metrics::Cells& cells, const LoadedChunk& loaded) {
  if (!loaded.damaged) return;
  cells.add(Metric::kDamagedChunks);
  cells.add(Metric::kDamagedRecords, loaded.missing_records);
  cells.add(Metric::kDamagedBytes, loaded.missing_bytes);
}

void Log::tend_removals() {
  if (position_failing_) return;
  const uint64_t now = io_.clock.running_ms();
  while (now >= removal_retry_ms_) {
    const std::optional<Segment> segment = segments_.next_removable(now);
    if (!segment) break;
    const auto noted = note_removal(*segment);
    const auto gone = noted ? remove_segment(*segment) : noted;
    if (gone) {
      removals_unsynced_ = removed_now_ = true;
      continue;
    }
    log::warn("buffer", "a segment cannot be removed; tried again",
              {{"file", segment->name}, {"error", gone.error().message}});
    if (noted) segments_.set_aside(*segment, now);
    if (!noted) removal_retry_ms_ = now + kRemovalRetryMs;
  }
  side_files_->tend(segments_);
  if (!removals_unsynced_) return;
  auto synced = io_.files.sync_directory(settings_.directory);
  removals_unsynced_ = !synced;
  if (!synced) {
    log::warn("buffer", "the buffer's directory cannot be synced",
              {{"directory", settings_.directory}, {"error", synced.error().message}});
  }
}

// The lines of its chunks and the line G are durable before the file goes.
Result<> Log::note_removal(const Segment& segment) {
  write_side_file(segment, true);
  auto written = position_->removed(segment.base_lsn, segment.epoch, segment.end_lsn,
                                    io_.clock.wall_us() / 1000);
  if (written) written = position_->sync();
  tell_position(written);
  return written;
}

Result<> Log::remove_segment(const Segment& segment) {
  const std::string path = settings_.directory + "/" + segment.name;
  const bool kept =
      segment.damaged && (segment.unreadable || may_set_aside(io_.files, settings_.directory));
  if (segment.damaged && !kept) {
    log::warn("buffer", "a damaged segment is not kept in corrupt/: the disk is nearly full",
              {{"output", settings_.output_id}, {"file", segment.name}});
  }
  if (kept) {
    const std::string aside = settings_.directory + "/corrupt";
    if (auto made = io_.files.make_directories(aside); !made) return made;
    if (auto moved = io_.files.rename(path, aside + "/" + segment.name); !moved) return moved;
  } else {
    // A flush thread may keep the file open, and an unlinked file keeps its blocks until it closes.
    auto file = io_.files.open(path, io::OpenMode::kReadWrite);
    if (!file) return tl::unexpected(file.error());
    if (auto cut = shrink(**file, kSegmentHeaderBytes); !cut) return cut;
    if (auto gone = io_.files.unlink(path); !gone) return gone;
  }
  segments_.remove(segment);
  housekeeping_cells_.add(Metric::kSegmentsRemoved);
  return {};
}

bool Log::drop_oldest() {
  const std::optional<QueuedChunk> chunk = queue_.take_oldest();
  if (chunk) drop(*chunk);
  return chunk.has_value();
}

// One segment's worth for each spare that could not be made. Chunks of the newest segment would be
// dropped in vain: it stays.
void Log::drop_for_disk() {
  if (!drop_wanted_.exchange(false)) return;
  const std::optional<Segment> newest = segments_.newest();
  while (newest && !segments_.next_removable()) {
    std::optional<QueuedChunk> chunk = queue_.take_oldest();
    if (!chunk) return;
    if (chunk->shares.empty() || chunk->shares.front().lsn >= newest->base_lsn) {
      return queue_.give_back(std::move(*chunk));
    }
    drop(*chunk);
  }
}

void Log::drop(const QueuedChunk& chunk) {
  loop_cells_.add(Metric::kDroppedChunks);
  loop_cells_.add(Metric::kDroppedRecords, chunk.records);
  loop_cells_.add(Metric::kDroppedBytes, chunk.body_bytes);
  log::warn("buffer", "the oldest chunk was dropped to make room (drop_oldest_chunk)",
            {{"output", settings_.output_id},
             {"chunk", chunk.id.uuid()},
             {"records", chunk.records},
             {"bytes", chunk.body_bytes}});
  finish(chunk, Finish::kDropped);
}

void Log::tend_gauges() {
  const LogStatus now = status();
  housekeeping_cells_.set(Metric::kStagedChunks, now.staged_chunks);
  housekeeping_cells_.set(Metric::kStagedBytes, now.staged_bytes);
  housekeeping_cells_.set(Metric::kQueuedChunks, now.queue.queued);
  housekeeping_cells_.set(Metric::kQueuedBytes, now.queue.bytes);
  housekeeping_cells_.set(Metric::kInFlightChunks, now.queue.in_flight);
  housekeeping_cells_.set(Metric::kSegments, now.segments);
  housekeeping_cells_.set(Metric::kDiskBytes, now.disk_bytes);
  housekeeping_cells_.set(Metric::kRefusingLogs, now.refusing ? 1 : 0);
  housekeeping_cells_.set(Metric::kDegradedLogs, now.degraded ? 1 : 0);
}

}  // namespace millrace::buffer
