// SPDX-License-Identifier: Apache-2.0
// What a log does with the outcome of a commit, and what it tells of a disk that fails.

#include <algorithm>

#include "base/log.h"
#include "buffer/log.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kDegradedForMs = 600'000;

}  // namespace

LogWriter::Outcome Log::commit(Batch& batch) {
  const LogWriter::Outcome outcome = writer_->commit(batch);
  if (outcome == LogWriter::Outcome::kDurable) {
    durable_now(batch);
  } else {
    moves_refused(batch);
  }
  tell_commit(outcome);
  const bool wants_spare =
      outcome == LogWriter::Outcome::kNoSpare ||
      (outcome == LogWriter::Outcome::kDurable && writer_->wants_spare(seal_debt_));
  if (wants_spare && need_ && !spare_missing_ && !spares_.filled()) need_();
  return outcome;
}

// Its chunks may be sent, its keys count as stored, its requests are acked when it comes back.
void Log::durable_now(Batch& batch) {
  for (QueuedChunk& chunk : batch.sealed) {
    chunk.shares = segments_.resolve(chunk.shares);
    queue_.add(std::move(chunk));
  }
  batch.sealed.clear();
  segments_.release(batch.pinned);
  batch.pinned.clear();
  moves_durable(batch);
  if (settings_.keys == nullptr) return;
  for (const RequestKey& key : batch.keys) {
    settings_.keys->durable(key, settings_.key_bit);
  }
}

void Log::tell_commit(LogWriter::Outcome outcome) {
  if (outcome == LogWriter::Outcome::kRefusing) {
    disk_failed(writer_->error());
    if (refusing_.exchange(true)) return;
    log::error("buffer",
               "the disk refuses commits; nothing is stored or acked until it takes them again",
               {{"output", settings_.output_id},
                {"worker", settings_.worker_id},
                {"error", writer_->error().message}});
    return;
  }
  if (outcome != LogWriter::Outcome::kDurable) return;
  const bool failed_over = writer_->fail_overs() > fail_overs_told_;
  fail_overs_told_ = writer_->fail_overs();
  if (failed_over) disk_failed(writer_->error());
  if (failed_over && !refusing_) {
    log::error("buffer", "a commit failed; it was written again to a new segment, nothing is lost",
               {{"output", settings_.output_id},
                {"worker", settings_.worker_id},
                {"error", writer_->error().message}});
  }
  if (!refusing_.exchange(false)) return;
  log::warn("buffer", "the disk takes commits again",
            {{"output", settings_.output_id}, {"worker", settings_.worker_id}});
  wake_waiting();
}

// A position line that is not written or synced costs a repeat after a crash, never data.
void Log::tell_position(const Result<>& done) {
  if (!done) {
    disk_failed(done.error());
    if (position_failing_.exchange(true)) return;
    log::error("buffer",
               "the position file cannot be written; delivery goes on, no segment is removed",
               {{"output", settings_.output_id},
                {"worker", settings_.worker_id},
                {"error", done.error().message}});
  }
}

void Log::note_damage(const LoadedChunk& loaded) {
  for (const uint64_t lsn : loaded.damaged_at) {
    const std::optional<std::string> name = segments_.mark_damaged(lsn);
    if (!name) continue;
    log::error("buffer", "a segment does not hold at a delivery; it is kept in corrupt/ when done",
               {{"output", settings_.output_id},
                {"directory", settings_.directory},
                {"file", *name},
                {"lsn", lsn}});
  }
}

void Log::disk_failed(const Error& error) {
  disk_failed_ms_ = std::max<uint64_t>(io_.clock.running_ms(), 1);
  const std::lock_guard lock(mutex_);
  last_error_ = error.message;
}

bool Log::degraded() const {
  const uint64_t failed = disk_failed_ms_;
  return position_failing_ || (failed != 0 && io_.clock.running_ms() - failed < kDegradedForMs);
}

}  // namespace millrace::buffer
