// SPDX-License-Identifier: Apache-2.0
#include "flush/flush_thread.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "buffer/dead_letters.h"

namespace millrace::flush {
namespace {

using buffer::QueuedChunk;
using metrics::Metric;
using output::Outcome;
using output::PutResult;

constexpr size_t kErrorBytesKept = 200;

Metric metric_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCommitted:
      return Metric::kPutCommitted;
    case Outcome::kThrottled:
      return Metric::kPutThrottled;
    case Outcome::kAmbiguous:
      return Metric::kPutAmbiguous;
    case Outcome::kUnavailable:
      return Metric::kPutUnavailable;
    case Outcome::kNotAuthorized:
      return Metric::kPutAuth;
    case Outcome::kRejected:
      return Metric::kPutRejected;
  }
  return Metric::kPutUnavailable;
}

}  // namespace

FlushThread::FlushThread(io::Io io, buffer::Log& log, Outlet& outlet, metrics::Cells& cells,
                         std::string name)
    : io_(io),
      log_(log),
      outlet_(outlet),
      backoff_(outlet.options),
      cells_(cells),
      name_(std::move(name)),
      tails_(outlet.tails),
      reader_(log.make_reader([this](std::string_view bytes) { return tails_.md5(bytes); })),
      sender_(outlet.output.make_sender()),
      thread_([this] { run(); }) {}

FlushThread::~FlushThread() { join(); }

void FlushThread::stop(bool interrupt) {
  stopped_ = true;
  if (!interrupt) return;
  interrupted_ = true;
  sender_->interrupt();
}

void FlushThread::join() {
  if (thread_.joinable()) thread_.join();
}

void FlushThread::run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  while (std::optional<QueuedChunk> chunk = take()) {
    deliver(std::move(*chunk));
  }
}

// A chunk that is due, once the output may be asked: nobody holds one while it waits for that.
std::optional<QueuedChunk> FlushThread::take() {
  while (const auto due = log_.queue().wait_due()) {
    const std::optional<Permit> permit = outlet_.gate.enter(*due, stopped_);
    if (stopped_) break;
    if (!permit) continue;
    permit_ = *permit;
    auto chunk = log_.queue().take_due(permit_.pick);
    if (!chunk) {
      outlet_.gate.cancel(permit_);
      continue;
    }
    outlet_.gate.use(permit_, *chunk);
    credit_turn(*chunk);
    return chunk;
  }
  return std::nullopt;
}

// Throttling counts to no limit, and so does waiting for one's turn meanwhile.
void FlushThread::credit_turn(QueuedChunk& chunk) const {
  if (permit_.kind != Permit::Kind::kPaced || chunk.deadline_ms == 0) return;
  const uint64_t waited_from = std::max(chunk.not_before_ms, permit_.since_ms);
  const uint64_t now = io_.clock.running_ms();
  if (now > waited_from) chunk.deadline_ms = Backoff::later(chunk.deadline_ms, now - waited_from);
}

// The way out: a queued chunk is taken, read back and checked, put to the output, judged, and its
// outcome written to the position file; then its space is free.
void FlushThread::deliver(QueuedChunk chunk) {
  if (auto loaded = read(chunk); !loaded) {
    return put_off(std::move(chunk), "the chunk cannot be read: " + loaded.error().message);
  }
  const auto to_be_sent = log_.left_letters().settle(chunk, loaded_);
  if (!to_be_sent) {
    return put_off(std::move(chunk),
                   "its dead letter cannot be read: " + to_be_sent.error().message);
  }
  if (!*to_be_sent) {
    outlet_.gate.cancel(permit_);
    return log_.finish(chunk, buffer::Finish::kDeadLetter);
  }
  tell_damage(chunk);
  const PutResult result = put(chunk);
  judge(std::move(chunk), result);
}

// For what is the disk's affair, and this chunk's alone.
void FlushThread::put_off(QueuedChunk chunk, std::string why) {
  outlet_.gate.cancel(permit_);
  readable_ = false;
  judge(std::move(chunk), PutResult{.outcome = Outcome::kUnavailable, .detail = std::move(why)});
}

Result<> FlushThread::read(const QueuedChunk& chunk) {
  auto loaded = reader_.read(chunk, loaded_);
  readable_ = loaded.has_value();
  log_.note_damage(loaded_);
  return loaded;
}

void FlushThread::tell_damage(const QueuedChunk& chunk) const {
  if (!loaded_.damaged) return;
  log::error("flush", "a damaged chunk is sent without the records that the disk lost",
             {{"output", log_.settings().output_id},
              {"chunk", chunk.id.uuid()},
              {"records", loaded_.records},
              {"missing_records", loaded_.missing_records},
              {"more_missing", loaded_.more_missing}});
}

PutResult FlushThread::put(const QueuedChunk& chunk) {
  if (loaded_.records == 0) {  // nothing is left of it
    outlet_.gate.cancel(permit_);
    return PutResult{.outcome = Outcome::kCommitted};
  }
  const auto begun = std::chrono::steady_clock::now();
  PutResult result = sender_->put(output::Delivery{.partition_key = loaded_.seal.open.partition_key,
                                                   .record = loaded_.bytes,
                                                   .chunk_id = chunk.id,
                                                   .records = loaded_.records,
                                                   .attempt = chunk.attempts + 1});
  count(result, static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::steady_clock::now() - begun)
                                          .count()));
  note(chunk, result);
  return result;
}

// What the other threads learn from it; of a request that a stop cut off, nothing.
void FlushThread::note(const QueuedChunk& chunk, const PutResult& result) {
  if (interrupted_ && result.outcome != Outcome::kCommitted) {
    outlet_.gate.cancel(permit_);
    return;
  }
  outlet_.gate.note(permit_,
                    Answer{.outcome = result.outcome,
                           .chunk_id = chunk.id,
                           .bytes = loaded_.bytes.size(),
                           .retry_after_ms = result.retry_after_ms,
                           .failed_before = chunk.failures > 0,
                           .refused_before = chunk.throttles > 0},
                    result.detail.substr(0, kErrorBytesKept));
}

void FlushThread::judge(QueuedChunk chunk, const PutResult& result) {
  ++chunk.attempts;
  if (chunk.attempts > 1) cells_.add(Metric::kFlushRetries);
  if (result.outcome == Outcome::kCommitted) {
    commit(chunk);
  } else {
    retry_or_give_up(std::move(chunk), result);
  }
}

void FlushThread::commit(const QueuedChunk& chunk) {
  cells_.add(Metric::kFlushedRecords, loaded_.records);
  cells_.add(Metric::kFlushedBytes, loaded_.bytes.size());
  buffer::Log::count_damage(cells_, loaded_);
  if (chunk.attempts > 1) {
    log::debug("flush", "chunk delivered after retries",
               {{"output", log_.settings().output_id},
                {"chunk", chunk.id.uuid()},
                {"attempts", chunk.attempts}});
  }
  log_.note_delivery({});
  log_.finish(chunk, buffer::Finish::kDelivered);
}

void FlushThread::retry_or_give_up(QueuedChunk chunk, const PutResult& result) {
  const uint64_t now = io_.clock.running_ms();
  const Decision decision = decide(chunk, result, now);
  chunk.last_error = result.detail.substr(0, kErrorBytesKept);
  log_.note_delivery(chunk.last_error);
  if (decision.give_up) {
    chunk.give_up = decision.refused ? buffer::GiveUp::kRefused : buffer::GiveUp::kRetryLimit;
    give_up(std::move(chunk));
    return;
  }
  if (!readable_ || !outlet_.gate.told(result.outcome)) {
    log::warn("flush", "chunk not delivered, tried again later",
              {{"output", log_.settings().output_id},
               {"worker", log_.settings().worker_id},
               {"chunk", chunk.id.uuid()},
               {"outcome", output::outcome_name(result.outcome)},
               {"attempts", chunk.attempts},
               {"wait_ms", decision.wait_ms},
               {"error", chunk.last_error}});
  }
  chunk.not_before_ms = now + decision.wait_ms;
  log_.note_attempt(chunk);
  log_.queue().give_back(std::move(chunk));
}

Decision FlushThread::decide(QueuedChunk& chunk, const PutResult& result, uint64_t now_ms) {
  const uint64_t since = failing_since_ms(chunk, result.outcome);
  if (chunk.first_failure_ms == 0) {
    chunk.first_failure_ms = since == 0 ? now_ms : since;
    // The limits go on from where an earlier life of the process left off.
    if (chunk.failures > 0) {
      const uint64_t timeout = outlet_.options.retry_timeout_ms;
      chunk.deadline_ms =
          chunk.first_failure_ms + timeout - std::min(timeout, chunk.elapsed_before_ms);
    }
  }
  Retries retries{
      .failures = chunk.failures, .throttles = chunk.throttles, .deadline_ms = chunk.deadline_ms};
  const Decision decision = backoff_.failed(retries, result, now_ms, io_.random.next(), since);
  chunk.failures = retries.failures;
  chunk.throttles = retries.throttles;
  chunk.deadline_ms = retries.deadline_ms;
  return decision;
}

// A chunk that waited while its output was away could not be delivered since then; 0: since now.
uint64_t FlushThread::failing_since_ms(const QueuedChunk& chunk, Outcome outcome) const {
  if (!readable_ || outcome == Outcome::kThrottled) return 0;
  const uint64_t away_since = outlet_.gate.failing_since_ms();
  return away_since == 0 ? 0 : std::max(away_since, chunk.queued_running_ms);
}

// To the secondary if there is one; what it cannot take goes to dead/.
void FlushThread::give_up(QueuedChunk chunk) {
  if (outlet_.secondary != nullptr && readable_ && keep_in_secondary(chunk)) {
    log_.finish(chunk, buffer::Finish::kSecondary);
    return;
  }
  log::warn("flush", "chunk given up, it goes to dead/",
            {{"output", log_.settings().output_id},
             {"worker", log_.settings().worker_id},
             {"chunk", chunk.id.uuid()},
             {"reason", buffer::dead_letter_reason(chunk)},
             {"attempts", chunk.attempts},
             {"error", chunk.last_error}});
  log_.queue().give_up(std::move(chunk));
}

bool FlushThread::keep_in_secondary(const QueuedChunk& chunk) {
  const auto written = outlet_.secondary->write(chunk, loaded_);
  if (!written) {
    cells_.add(Metric::kSecondaryFailures);
    log::error("flush", "the secondary cannot take a chunk",
               {{"output", log_.settings().output_id},
                {"chunk", chunk.id.uuid()},
                {"error", written.error().message}});
    return false;
  }
  cells_.add(chunk.give_up == buffer::GiveUp::kRefused ? Metric::kSecondaryRefused
                                                       : Metric::kSecondaryRetryLimit);
  if (*written) buffer::Log::count_damage(cells_, loaded_);
  log::warn("flush", "chunk given up, it was put into the secondary",
            {{"output", log_.settings().output_id},
             {"worker", log_.settings().worker_id},
             {"chunk", chunk.id.uuid()},
             {"reason", buffer::dead_letter_reason(chunk)},
             {"attempts", chunk.attempts},
             {"error", chunk.last_error},
             {"directory", outlet_.secondary->directory()}});
  return true;
}

void FlushThread::count(const PutResult& result, uint64_t nanoseconds) {
  cells_.add(metric_of(result.outcome));
  if (result.resent) cells_.add(Metric::kFlushResends);
  cells_.observe(metrics::Histogram::kFlushSeconds, nanoseconds);
}

}  // namespace millrace::flush
