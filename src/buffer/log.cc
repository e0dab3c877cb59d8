// SPDX-License-Identifier: Apache-2.0
#include "buffer/log.h"

#include <unistd.h>

#include <chrono>

#include "base/check.h"
#include "base/log.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;

constexpr uint64_t kFullForMs = 1000;  // so that the state does not flicker
constexpr uint64_t kAttemptLineEveryMs = 60'000;

uint64_t steady_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

std::string lock_text(io::Clock& clock) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  return "pid " + std::to_string(::getpid()) + "\nstarted " +
         std::to_string(clock.wall_us() / 1'000'000) + "\nhost " + host + "\nversion " +
         MILLRACE_VERSION + "\n";
}

std::vector<ChunkId> ids_to_deliver(const Recovered& recovered) {
  std::vector<ChunkId> ids;
  const auto add = [&ids](const std::vector<QueuedChunk>& chunks) {
    for (const QueuedChunk& chunk : chunks) {
      if (chunk.kind == ChunkKind::kDeliver) ids.push_back(chunk.id);
    }
  };
  add(recovered.chunks);
  if (recovered.unwritten != nullptr) add(recovered.unwritten->sealed);
  return ids;
}

}  // namespace

Log::Log(io::Io io, LogSettings settings, BlockPool&, metrics::Registry& registry,
         std::unique_ptr<io::FileLock> lock)
    : io_(io),
      settings_(std::move(settings)),
      lock_(std::move(lock)),
      queue_(io.clock),
      commit_cells_(registry.make_cells(settings_.output_id)),
      housekeeping_cells_(registry.make_cells(settings_.output_id)),
      loop_cells_(registry.make_cells(settings_.output_id)) {}

Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(io::Io io, LogSettings settings, BlockPool& pool,
                                       metrics::Registry& registry,
                                       const std::atomic<bool>& interrupted) {
  if (auto made = io.files.make_directories(settings.directory); !made) {
    return tl::unexpected(made.error());
  }
  auto lock = io.files.lock(settings.directory + "/LOCK");
  if (!lock) {
    Error error = lock.error();
    if (error.kind == ErrorKind::kLocked) error.message += "; " + settings.directory;
    return tl::unexpected(error);
  }
  // The text is for people; a full disk has no room for it.
  auto described = (*lock)->describe(lock_text(io.clock));
  if (!described && described.error().kind != ErrorKind::kNoSpace) {
    return tl::unexpected(described.error());
  }
  std::unique_ptr<Log> log(new Log(io, std::move(settings), pool, registry, std::move(*lock)));
  if (auto recovered = log->recover(pool, interrupted); !recovered) {
    return tl::unexpected(recovered.error());
  }
  return log;
}

Result<> Log::recover(BlockPool& pool, const std::atomic<bool>& interrupted) {
  Recovery recovery(io_,
                    RecoverySettings{.directory = settings_.directory,
                                     .output_id = settings_.output_id,
                                     .worker_id = settings_.worker_id,
                                     .key_seed = settings_.key_seed,
                                     .keys = settings_.keys,
                                     .key_bit = settings_.key_bit},
                    segments_, pool, housekeeping_cells_, interrupted);
  auto recovered = recovery.run();
  if (!recovered) return tl::unexpected(recovered.error());
  crc_ = LogCrc::of(recovered->header.uuid);
  position_ = std::move(recovered->position);
  side_files_ =
      std::make_unique<SideFileSet>(io_, settings_.directory, recovered->header.uuid,
                                    settings_.keys == nullptr ? 0 : settings_.keys->window_ms(),
                                    std::move(recovered->side_files));
  appender_ = std::make_unique<Appender>(io_, pool, crc_, recovered->epoch, recovered->next_lsn);
  writer_ = std::make_unique<LogWriter>(io_, settings_.directory, recovered->header,
                                        std::move(recovered->active), recovered->capacity,
                                        recovered->durable_end, segments_, spares_, commit_cells_);
  reclaimer_ =
      std::make_unique<Reclaimer>(io_.clock, make_reader(), segments_, queue_, settings_.moves);
  left_letters_ =
      std::make_unique<LeftLetters>(io_.files, settings_.directory, ids_to_deliver(*recovered));
  uint64_t bytes = 0;
  for (QueuedChunk& chunk : recovered->chunks) {
    bytes += chunk.body_bytes;
    queue_.add(std::move(chunk));
  }
  unfinished_bytes_ = bytes;
  last_commit_ms_ = io_.clock.running_ms();
  proved_ = recovered->proved || recovered->unwritten != nullptr;
  if (recovered->unwritten != nullptr) wait_for_space(*recovered);
  const ChunkQueue::Counts counts = queue_.counts();
  log::info("buffer", "buffer opened",
            {{"directory", settings_.directory},
             {"queued_chunks", counts.queued + counts.dead_letters},
             {"queued_bytes", counts.bytes},
             {"segments", segments_.count()}});
  return {};
}

// What the start has to write is the first commit. The writer tries it as after a failed one, every
// second.
void Log::wait_for_space(Recovered& recovered) {
  unwritten_ = std::move(recovered.unwritten);
  for (const QueuedChunk& chunk : unwritten_->sealed) unfinished_bytes_ += chunk.body_bytes;
  committing_seals_ = unwritten_->sealed.size();
  committing_bytes_ = unwritten_->bytes();
  committing_lsn_ = unwritten_->start_lsn();
  starting_ = refusing_ = true;
  disk_failed(recovered.refusal);
  publish_counts();
  log::error("buffer",
             "the disk is full: nothing is stored or acked until there is room; what was proved "
             "durable is delivered",
             {{"output", settings_.output_id},
              {"worker", settings_.worker_id},
              {"error", recovered.refusal.message}});
}

Room Log::room(uint64_t bytes) {
  if (refusing_) return Room::kRefusing;
  const uint64_t held = held_bytes();
  if (held > 0 && held + bytes > settings_.total_limit_bytes) return Room::kFull;
  // Each of them will have its line, on a full disk too.
  const uint64_t unfinished =
      queue_.held() + appender_->staged_chunks() + appender_->sealing_chunks() + committing_seals_;
  if (position_->free_slots() <= unfinished + segments_.count() + 256) {
    if (need_) need_();  // the file grows; dropping chunks would take lines, too
    return position_short_ ? Room::kDiskFull : Room::kNotYet;
  }
  const bool leaves = spares_.leaves_reserve(laid_out(bytes), appender_->seal_debt());
  return leaves ? Room::kYes : short_of_space();
}

Room Log::room_for_open_request() {
  const bool leaves = spares_.leaves_reserve(laid_out(0), appender_->seal_debt());
  return leaves ? Room::kYes : short_of_space();
}

Room Log::short_of_space() const {
  if (spare_missing_) return Room::kDiskFull;
  if (need_) need_();
  return Room::kNotYet;
}

SpareSlot::Laid Log::laid_out(uint64_t more_bytes) const {
  const uint64_t open_begin = appender_->batch_begin_lsn();
  return SpareSlot::Laid{.closed_begin = commit_under_way_ ? committing_lsn_ : open_begin,
                         .open_begin = open_begin,
                         .open_end = open_begin + appender_->open_batch_bytes() + more_bytes};
}

std::unique_ptr<Batch> Log::next_commit() {
  if (unwritten_ != nullptr) {
    commit_under_way_ = true;
    return std::move(unwritten_);
  }
  if (commit_under_way_) return nullptr;
  if (moves_.attend()) put_moves();
  if (!appender_->has_batch()) return nullptr;
  std::unique_ptr<Batch> batch = appender_->close_batch();
  unfinished_bytes_ += batch->body_bytes;
  committing_seals_ = batch->sealed.size();
  committing_bytes_ = batch->bytes();
  committing_lsn_ = batch->start_lsn();
  commit_under_way_ = true;
  seal_debt_ = appender_->seal_debt();
  return batch;
}

void Log::submit(CommitThread& commits) {
  auto batch = next_commit();
  if (batch == nullptr) return;
  pace_.submitted(steady_us());
  commits.submit(*this, std::move(batch));
}

bool Log::submit_if_due(CommitThread& commits) {
  const bool may_wait = !commit_under_way_ && unwritten_ == nullptr && appender_->has_batch();
  if (may_wait &&
      pace_.waits(appender_->open_batch_requests(), appender_->open_batch_bytes(), steady_us())) {
    return false;
  }
  submit(commits);
  return true;
}

uint64_t Log::stuck_bytes() const {
  if (!refusing_) return 0;
  return (commit_under_way_ ? committing_bytes_ : 0) + appender_->open_batch_bytes();
}

void Log::completed(const Batch& batch) {
  CHECK(commit_under_way_);
  commit_under_way_ = false;
  committing_seals_ = 0;
  last_commit_ms_ = io_.clock.running_ms();
  proved_ = batch.ends_with_pad;
  pace_.committed(batch.requests.size(), appender_->open_batch_requests(), steady_us());
  publish_counts();
  starting_ = false;
}

bool Log::wants_pad(uint64_t idle_ms) const {
  return !proved_ && !commit_under_way_ && !appender_->has_batch() &&
         io_.clock.running_ms() - last_commit_ms_ >= idle_ms &&
         spares_.leaves_seals(laid_out(kBlockBytes), appender_->seal_debt());
}

void Log::when_room(Room room, std::function<void()> wake) {
  if (room != Room::kNotYet) clients_waited_ms_ = io_.clock.running_ms();
  if (room != Room::kNotYet && !clients_wait_.exchange(true) && room == Room::kFull) {
    log::warn("buffer", "the buffer is full; clients wait until chunks are delivered",
              {{"output", settings_.output_id},
               {"worker", settings_.worker_id},
               {"unfinished_bytes", held_bytes()},
               {"total_limit_size", settings_.total_limit_bytes}});
  }
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

void Log::publish_counts() {
  staged_chunks_ = appender_->staged_chunks() + appender_->sealing_chunks() + committing_seals_;
  staged_bytes_ = appender_->staged_bytes();
  seal_debt_ = appender_->seal_debt();
  if (clients_wait_ && io_.clock.running_ms() - clients_waited_ms_ >= kFullForMs) {
    clients_wait_ = false;
  }
}

ChunkReader Log::make_reader(ChunkReader::TailOf tail_of) const {
  return ChunkReader(io_.files, settings_.directory, segments_, crc_, std::move(tail_of));
}

void Log::finish(const QueuedChunk& chunk, Finish outcome) {
  tell_position(position_->finish(outcome, chunk, io_.clock.wall_us() / 1000));
  segments_.release(chunk.shares);
  queue_.finished(chunk);
  CHECK(unfinished_bytes_ >= chunk.body_bytes);
  unfinished_bytes_ -= chunk.body_bytes;
  wake_waiting();
}

void Log::wake_waiting() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    wake = std::exchange(wake_, nullptr);
  }
  if (wake) wake();
}

void Log::note_attempt(QueuedChunk& chunk) {
  const uint64_t now = io_.clock.running_ms();
  if (now - chunk.attempt_line_ms < kAttemptLineEveryMs && chunk.attempt_line_ms != 0) return;
  const ChunkQueue::Counts counts = queue_.counts();
  const uint64_t unfinished = counts.queued + counts.in_flight;
  if (position_->free_slots() < 2 * unfinished + 4096) return;  // slots are kept for finishing
  chunk.attempt_line_ms = now;
  const uint64_t elapsed = chunk.elapsed_before_ms + (now - chunk.first_failure_ms);
  tell_position(position_->attempt(chunk, elapsed));
}

void Log::note_delivery(const std::string& error) {
  const std::lock_guard lock(mutex_);
  if (!degraded()) last_error_ = error;
}

LogStatus Log::status() const {
  LogStatus status{.staged_chunks = staged_chunks_,
                   .staged_bytes = staged_bytes_,
                   .queue = queue_.counts(),
                   .unfinished_bytes = unfinished_bytes_,
                   .segments = segments_.count(),
                   .disk_bytes = segments_.disk_bytes() + spares_.disk_bytes(),
                   .refusing = refusing_,
                   .degraded = degraded(),
                   .full = spare_missing_ || clients_wait_,
                   .last_error = {}};
  const std::lock_guard lock(mutex_);
  status.last_error = last_error_;
  return status;
}

}  // namespace millrace::buffer
