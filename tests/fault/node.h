// SPDX-License-Identifier: Apache-2.0
#pragma once

// Node: one life of a simulated millrace: the logs of its outputs and workers on a file system of
// the test's choice, and the table of request keys over them. Everything runs on the caller's
// thread, in the caller's order, so that the same plan does the same operations. It tells the
// oracle what the world sees. Destroying it is a kill: nothing is flushed, sealed or synced.
// Invariant: an ack is told only after commit() of the log said durable. The machine must outlive
// it.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "buffer/log.h"
#include "io/simulated.h"
#include "tests/fault/oracle.h"

namespace millrace::fault {

/// What outlives a process.
struct Machine {
  io::FileSystem& files;
  io::SimulatedClock& clock;
  io::SimulatedRandom& random;
  buffer::BlockPool& pool;  // only memory
};

class Node {
 public:
  /// `life` changes the head and the limits that it opens chunks with.
  Node(const Plan& plan, Machine machine, Oracle& oracle, uint32_t life);
  ~Node();

  /// Opens (recovers) every log. The error, if one cannot be opened.
  Result<> start();

  void step(const Step& step);
  /// An agent sends a message to a worker. What is stored already is acked at once.
  void send(const Request& request, size_t worker);
  /// Agents send again what was sent, has a key, and was not acked.
  void resend(size_t worker);
  /// False if the log refuses it for now; it is tried again by the next call.
  bool commit(size_t log);
  bool commit_all();
  void seal(size_t log) { appender(log).seal_all(buffer::SealReason::kForced); }
  /// Takes the next chunk that is due and reads it. Nothing: none is, or it cannot be read now.
  struct Taken {
    buffer::QueuedChunk chunk;
    buffer::LoadedChunk loaded;
  };
  std::optional<Taken> take(size_t log);
  void finish(size_t log, const Taken& taken);
  /// Delivers what is queued in all logs, and a round of housekeeping each.
  void deliver_all();
  void tend(size_t log);

  /// Seals, commits and delivers whatever there is, and looks into dead/. False if something could
  /// not be done, which is for a disk that still fails.
  bool drain();
  /// What only damage on disk can set off.
  uint64_t alarms() const;
  uint64_t total(metrics::Metric metric) const { return registry_.total(metric); }
  buffer::Log& log(size_t index) { return *logs_[index]; }
  size_t logs() const { return logs_.size(); }

  /// Syncs may fail: what was tended is not sure to be durable.
  bool distrust_syncs = false;

 private:
  buffer::Appender& appender(size_t log) { return logs_[log]->appender(); }
  bool has_room(size_t log, uint64_t bytes);
  bool wait_for(size_t log, buffer::Batch& batch);
  void append(const Request& request, size_t log, const std::optional<buffer::RequestKey>& key);
  void look_into_dead(size_t log);
  bool finish_all(size_t log);
  void fail_attempt(size_t log);
  void drop(size_t log);

  const Plan& plan_;
  Machine machine_;
  Oracle& oracle_;
  std::vector<buffer::ChunkProfile> profiles_;  // by output
  std::atomic<bool> interrupted_{false};
  metrics::Registry registry_;
  buffer::KeyTable keys_{3'600'000};
  std::vector<std::unique_ptr<buffer::Log>> logs_;
  std::vector<std::unique_ptr<buffer::Batch>> stalled_;  // by log: closed and not durable
};

}  // namespace millrace::fault
