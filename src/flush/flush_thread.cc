// SPDX-License-Identifier: Apache-2.0
#include "flush/flush_thread.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

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

FlushThread::FlushThread(io::Io io, buffer::Log& log, output::Output& output,
                         const config::Buffer& options, metrics::Cells& cells, std::string name)
    : io_(io),
      log_(log),
      backoff_(options),
      retry_timeout_ms_(options.retry_timeout_ms),
      cells_(cells),
      name_(std::move(name)),
      reader_(log.make_reader()),
      sender_(output.make_sender()),
      thread_([this] { run(); }) {}

FlushThread::~FlushThread() { join(); }

void FlushThread::interrupt() { sender_->interrupt(); }

void FlushThread::join() {
  if (thread_.joinable()) thread_.join();
}

void FlushThread::run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  while (std::optional<QueuedChunk> chunk = log_.queue().take()) {
    deliver(std::move(*chunk));
  }
}

// The way out: a queued chunk is taken, read back and checked, put to the output, judged, and its
// outcome written to the position file; then its space is free.
void FlushThread::deliver(QueuedChunk chunk) {
  if (auto loaded = read(chunk); !loaded) {
    judge(std::move(chunk),
          PutResult{.outcome = Outcome::kUnavailable,
                    .detail = "the chunk cannot be read: " + loaded.error().message});
    return;
  }
  const PutResult result = put(chunk);
  judge(std::move(chunk), result);
}

Result<> FlushThread::read(const QueuedChunk& chunk) {
  auto loaded = reader_.read(chunk, loaded_);
  if (!loaded || !loaded_.damaged) return loaded;
  log::error("flush", "a damaged chunk is sent without the records that the disk lost",
             {{"output", log_.settings().output_id},
              {"chunk", chunk.id.uuid()},
              {"records", loaded_.records},
              {"missing_records", loaded_.missing_records}});
  return {};
}

PutResult FlushThread::put(const QueuedChunk& chunk) {
  if (loaded_.records == 0)
    return PutResult{.outcome = Outcome::kCommitted};  // nothing is left of it
  const auto begun = std::chrono::steady_clock::now();
  PutResult result = sender_->put(output::Delivery{.partition_key = loaded_.seal.open.partition_key,
                                                   .record = loaded_.bytes,
                                                   .chunk_id = chunk.id,
                                                   .records = loaded_.records,
                                                   .attempt = chunk.attempts + 1});
  count(result, static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::steady_clock::now() - begun)
                                          .count()));
  return result;
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
  if (loaded_.damaged) {
    cells_.add(Metric::kDamagedChunks);
    cells_.add(Metric::kDamagedRecords, loaded_.missing_records);
    cells_.add(Metric::kDamagedBytes, loaded_.missing_bytes);
  }
  if (chunk.attempts > 1) {
    log::info("flush", "chunk delivered after retries",
              {{"output", log_.settings().output_id},
               {"chunk", chunk.id.uuid()},
               {"attempts", chunk.attempts}});
  }
  log_.note_delivery({});
  log_.finish(chunk, buffer::Finish::kDelivered);
}

void FlushThread::retry_or_give_up(QueuedChunk chunk, const PutResult& result) {
  const uint64_t now = io_.clock.running_ms();
  if (chunk.first_failure_ms == 0) {
    chunk.first_failure_ms = now;
    // The limits go on from where an earlier life of the process left off.
    if (chunk.failures > 0) {
      chunk.deadline_ms =
          now + retry_timeout_ms_ - std::min(retry_timeout_ms_, chunk.elapsed_before_ms);
    }
  }
  Retries retries{
      .failures = chunk.failures, .throttles = chunk.throttles, .deadline_ms = chunk.deadline_ms};
  const Decision decision = backoff_.failed(retries, result, now, io_.random.next());
  chunk.failures = retries.failures;
  chunk.throttles = retries.throttles;
  chunk.deadline_ms = retries.deadline_ms;
  chunk.last_error = result.detail.substr(0, kErrorBytesKept);
  log_.note_delivery(chunk.last_error);
  log::warn("flush",
            decision.give_up ? "chunk given up, it goes to dead/"
                             : "chunk not delivered, tried again later",
            {{"output", log_.settings().output_id},
             {"worker", log_.settings().worker_id},
             {"chunk", chunk.id.uuid()},
             {"outcome", output::outcome_name(result.outcome)},
             {"attempts", chunk.attempts},
             {"wait_ms", decision.wait_ms},
             {"error", chunk.last_error}});
  if (decision.give_up) {
    chunk.give_up = decision.refused ? buffer::GiveUp::kRefused : buffer::GiveUp::kRetryLimit;
    log_.queue().give_up(std::move(chunk));
    return;
  }
  chunk.not_before_ms = now + decision.wait_ms;
  log_.note_attempt(chunk);
  log_.queue().give_back(std::move(chunk));
}

void FlushThread::count(const PutResult& result, uint64_t nanoseconds) {
  cells_.add(metric_of(result.outcome));
  if (result.resent) cells_.add(Metric::kFlushResends);
  cells_.observe(metrics::Histogram::kFlushSeconds, nanoseconds);
}

}  // namespace millrace::flush
