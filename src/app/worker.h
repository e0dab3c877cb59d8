// SPDX-License-Identifier: Apache-2.0
#pragma once

// Worker: one loop thread with all it owns: its logs (one per output), its commit thread, its
// ingest and its listeners. Knows nothing of flush threads and other workers. Invariant: logs are
// opened before it listens, listeners are closed before its loop ends. Built and stopped by the
// main thread; what serves messages runs on its loop.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "buffer/log.h"
#include "config/model.h"
#include "event/loop.h"
#include "event/timer.h"
#include "ingest/ingest.h"
#include "input/forward/listener.h"
#include "metrics/metrics.h"

namespace millrace::app {

class Worker {
 public:
  Worker(io::Io io, uint32_t id, const config::Config& config, metrics::Registry& registry,
         ingest::Shared& shared);
  ~Worker();

  /// Where the logs of this worker are, in the order of logs().
  std::vector<std::string> log_directories() const;
  /// Locks and recovers the logs of this worker.
  Result<> open_logs(const std::atomic<bool>& interrupted);
  /// Binds a listener per source. `ports` holds the port of each source, 0 until one is bound; the
  /// first worker makes sure that nobody else has it.
  Result<> listen(std::vector<uint16_t>& ports);
  void start();

  // --- While it runs; main thread or control socket.
  /// Seals all staged chunks and waits until they are queued. Their number. `chosen`, by index of
  /// [[match]]: only those of such outputs, and those of no match.
  size_t flush(buffer::SealReason reason, uint64_t timeout_ms,
               const std::vector<bool>& chosen = {});
  /// Closes the listeners, answers what was received whole, closes the connections; waits.
  void stop_listening(uint64_t timeout_ms);
  /// Proves what was committed last; waits. Nothing is committed afterwards.
  void prove(uint64_t timeout_ms);
  /// Ends loop and commit thread.
  void stop();

  uint32_t id() const { return id_; }
  /// By index of [[match]]; the log of unmatched events is last, if there is one.
  const std::vector<std::unique_ptr<buffer::Log>>& logs() const { return logs_; }
  bool has_unmatched() const { return logs_.size() > config_.matches.size(); }
  /// By source. Any thread while it runs.
  std::vector<size_t> connections() const;
  /// Held of what is not durable yet. Any thread.
  uint64_t commit_bytes() const { return pool_.bytes_in_use(); }
  buffer::CommitThread& commits() { return *commits_; }

 private:
  Result<> open_log(const std::string& directory, const std::string& output_id,
                    uint64_t total_limit, const std::atomic<bool>& interrupted);
  Result<> build_ingest();
  void submit_soon(bool wanted);
  void on_loop(const std::function<void()>& task);
  bool wait_on_loop(const std::function<bool()>& condition, uint64_t timeout_ms);

  io::Io io_;
  const uint32_t id_;
  const config::Config& config_;
  metrics::Registry& registry_;
  metrics::Cells& cells_;
  ingest::Shared& shared_;

  buffer::BlockPool pool_;
  std::vector<std::unique_ptr<buffer::Log>> logs_;
  event::Loop loop_;
  std::unique_ptr<buffer::CommitThread> commits_;
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<event::EndOfTurn> submit_hook_;
  std::unique_ptr<event::Timer> submit_timer_;
  std::unique_ptr<event::Timer> ticker_;
  std::vector<std::unique_ptr<input::Listener>> listeners_;
  std::thread thread_;
};

}  // namespace millrace::app
