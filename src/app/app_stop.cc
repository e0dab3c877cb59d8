// SPDX-License-Identifier: Apache-2.0
// How the service ends, and what it tells of itself meanwhile.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "admin/control_socket.h"
#include "admin/status.h"
#include "app/app.h"
#include "app/memory_pools.h"
#include "base/log.h"
#include "metrics/process.h"

namespace millrace::app {
namespace {

constexpr uint64_t kDrainPollMs = 20;
constexpr uint64_t kProveMs = 1000;  // a disk that takes longer than this for one block has no PAD

admin::OutputWorkerStatus worker_status(uint32_t worker, const buffer::LogStatus& now) {
  return admin::OutputWorkerStatus{.worker = worker,
                                   .staged_chunks = now.staged_chunks,
                                   .queued_chunks = now.queue.queued + now.queue.dead_letters,
                                   .in_flight = now.queue.in_flight,
                                   .staged_bytes = now.staged_bytes,
                                   .queued_bytes = now.queue.bytes,
                                   .segments = now.segments,
                                   .disk_bytes = now.disk_bytes,
                                   .state = now.refusing   ? "refusing"
                                            : now.full     ? "full"
                                            : now.degraded ? "degraded"
                                                           : "ok",
                                   .last_error = now.last_error};
}

admin::BreakerStatus breaker_status(const flush::GateStatus& now) {
  return admin::BreakerStatus{.state = now.state,
                              .since_ms = now.since_ms,
                              .next_probe_ms = now.next_probe_ms,
                              .opens = now.opens,
                              .probes = now.probes,
                              .last_error = now.last_error};
}

}  // namespace

// First nothing comes in any more and all that came is answered, then what is queued goes out
// within the deadline. The rest stays on disk.
void App::stop(uint64_t timeout_ms) {
  state_ = State::kStopping;
  const uint64_t deadline = clock_.running_ms() + timeout_ms;
  const auto left = [&] {
    const uint64_t now = clock_.running_ms();
    return now < deadline ? deadline - now : 0;
  };
  for (const auto& worker : workers_) {
    worker->stop_listening(std::max<uint64_t>(left() / 2, 100));
  }
  std::vector<bool> flushed;
  for (const config::Match& match : config_.matches) {
    flushed.push_back(match.buffer.flush_at_shutdown);
  }
  for (const auto& worker : workers_) {
    worker->flush(buffer::SealReason::kShutdown, left(), flushed);
  }
  const bool cut_short = !drain(deadline);
  for (const auto& pool : pools_) {
    pool->stop(cut_short);
  }
  adopted_->stop(cut_short);
  control_.reset();
  for (const auto& worker : workers_) {
    worker->prove(kProveMs);
    worker->stop();
  }
  housekeeping_.stop();
  log::info("app", "stopped",
            {{"undelivered_chunks", undelivered()}, {"left_buffers", left_.size()}});
}

// Waits for chunks that can go out now; one that failed keeps its place on disk, and so do all of
// an output that is away. False if the time is up.
bool App::drain(uint64_t deadline_ms) {
  while (clock_.running_ms() < deadline_ms) {
    size_t due = 0;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const bool hopeless = outlets_[i]->gate.status().hopeless;
      const auto add = [&](const buffer::ChunkQueue::Counts& counts) {
        due += (hopeless ? 0 : counts.due) + counts.in_flight;
      };
      for (const auto& worker : workers_) add(worker->logs()[i]->queue().counts());
      for (const AdoptedLogs::Status& adopted : adopted_->status(i)) add(adopted.log.queue);
    }
    if (due == 0) return true;
    signals_.wait(kDrainPollMs);  // a second order changes nothing: the deadline holds
  }
  return false;
}

uint64_t App::undelivered() const {
  const buffer::ChunkQueue::Counts adopted = adopted_->counts();
  uint64_t chunks = adopted.queued + adopted.dead_letters + adopted.in_flight;
  for (const auto& worker : workers_) {
    for (const auto& log : worker->logs()) {
      const buffer::LogStatus status = log->status();
      chunks += status.staged_chunks + status.queue.queued + status.queue.dead_letters +
                status.queue.in_flight;
    }
  }
  return chunks;
}

std::string App::status_json() const {
  admin::Status status{.version = MILLRACE_VERSION, .pid = ::getpid()};
  const State state = state_;
  status.state = state == State::kRunning    ? admin::State::kRunning
                 : state == State::kStopping ? admin::State::kStopping
                                             : admin::State::kRecovering;
  for (size_t i = 0; i < config_.sources.size() && i < ports_.size(); ++i) {
    uint64_t connections = 0;
    for (const auto& worker : workers_) {
      const std::vector<size_t> counts = worker->connections();
      if (i < counts.size()) connections += counts[i];
    }
    status.sources.push_back(admin::SourceStatus{.id = config_.sources[i].id,
                                                 .type = "forward",
                                                 .bind = config_.sources[i].bind,
                                                 .port = ports_[i],
                                                 .connections = connections});
  }
  const size_t logs = workers_.empty() ? 0 : workers_.front()->logs().size();
  for (size_t i = 0; i < logs; ++i) {
    const bool matched = i < config_.matches.size();
    admin::OutputStatus output{.id = matched ? config_.matches[i].id : "unmatched",
                               .type = !matched ? "dead"
                                       : config_.matches[i].type == config::OutputType::kLocal
                                           ? "local"
                                           : "kinesis_aggregation"};
    if (matched) output.breaker = breaker_status(outlets_[i]->gate.status());
    for (const auto& worker : workers_) {
      output.workers.push_back(worker_status(worker->id(), worker->logs()[i]->status()));
    }
    for (const AdoptedLogs::Status& adopted : adopted_->status(i)) {
      output.workers.push_back(worker_status(adopted.worker, adopted.log));
    }
    status.outputs.push_back(std::move(output));
  }
  status.left_buffers = left_;
  status.resident_bytes = metrics::sample_process().resident_bytes;
  status.pools = memory_pools({.config = config_,
                               .workers = workers_,
                               .outputs = status.outputs,
                               .shared = shared_,
                               .registry = registry_},
                              io_.clock.running_ms());
  return admin::status_json(status);
}

}  // namespace millrace::app
