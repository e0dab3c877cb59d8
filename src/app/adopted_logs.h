// SPDX-License-Identifier: Apache-2.0
#pragma once

// AdoptedLogs: the logs of workers that are no more, because `workers` was lowered, below outputs
// that still are. Each is recovered, delivered by its output with one flush thread, and never
// appended to. It is removed, with its directory, when nothing in it is needed any more: no
// unfinished chunk, nothing in dead/ or corrupt/, and no request key within the de-duplication
// window. Does not touch logs that no output owns (left_logs.h tells of them).
// Invariant: a directory is removed whole or not at all, whenever the process dies.
// Main thread; status() and counts() any. Outlets, housekeeping and what the constructor takes must
// outlive it.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "buffer/housekeeping.h"
#include "config/model.h"
#include "flush/flush_pool.h"
#include "ingest/ingest.h"

namespace millrace::app {

class AdoptedLogs {
 public:
  AdoptedLogs(io::Io io, const config::Config& config, metrics::Registry& registry,
              ingest::Shared& shared);
  /// Finds the logs, once. An error: a directory cannot be listed, so some might be missed.
  Result<> find();

  std::vector<std::string> directories() const;
  /// Locks and recovers them, before anything is delivered.
  Result<> open(const std::atomic<bool>& interrupted);
  /// `commits`: of any worker, before its loop runs; it commits only what a start left to it for
  /// want of space.
  void start(const std::vector<std::unique_ptr<flush::Outlet>>& outlets,
             buffer::Housekeeping& housekeeping, buffer::CommitThread& commits);
  /// Removes what is done.
  void tend(buffer::Housekeeping& housekeeping);
  void stop(bool cut_short);

  struct Status {
    uint32_t worker;
    buffer::LogStatus log;
  };
  /// Of the output with this index (log_places.h).
  std::vector<Status> status(size_t output) const;
  /// Of all of them.
  buffer::ChunkQueue::Counts counts() const;

 private:
  struct Adopted {
    size_t output;
    uint32_t worker;
    std::string directory;
    std::unique_ptr<buffer::Log> log;
    std::unique_ptr<flush::FlushPool> pool;
    bool kept = false;  // done, but people have to look into it
  };

  Result<> find(size_t output);
  Result<> refuse_dangling_links(size_t output) const;
  bool is_done(const Adopted& adopted) const;
  void finish(size_t index, buffer::Housekeeping& housekeeping);
  Result<> remove(const Adopted& adopted);

  io::Io io_;
  const config::Config& config_;
  metrics::Registry& registry_;
  ingest::Shared& shared_;
  buffer::BlockPool pool_;
  uint64_t opened_ms_ = 0;
  mutable std::mutex mutex_;  // guards logs_ against status() and counts()
  std::vector<Adopted> logs_;
};

}  // namespace millrace::app
