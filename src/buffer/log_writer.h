// SPDX-License-Identifier: Apache-2.0
#pragma once

// LogWriter: the commit side of a log. It stamps a batch, writes it into the active segment or,
// when it does not fit there, into the spare (a roll), and syncs: one fdatasync a commit. When that
// fails, what is on disk of the batch is unknown: it fails over, that is, writes the same bytes at
// the same lsns into a fresh segment of the next epoch; until that succeeds it is refusing. Does
// not choose what is in a batch and answers nobody. Invariant: durable_end() only grows, is a
// multiple of 4096, and no write goes below it; a file of which a write or sync failed is never
// written or synced again. Commit thread; what is const, any thread.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "buffer/batch.h"
#include "buffer/segment_file.h"
#include "buffer/segment_set.h"
#include "buffer/spare_slot.h"
#include "buffer/zeros_ahead.h"
#include "metrics/metrics.h"

namespace millrace::buffer {

class LogWriter {
 public:
  /// kNoSpare, kRefusing: the batch is not durable; commit() is to be called with it again.
  enum class Outcome { kDurable, kNoSpare, kRefusing };

  /// How often a refusing log tries to fail over.
  static constexpr uint64_t kProbeEveryMs = 5000;
  static constexpr uint64_t kProbeFullEveryMs = 1000;  // when it is space that is missing

  /// `header` is that of the active segment; its epoch is used for all segments of this process. No
  /// `active`: there is none, and the first commit begins one, in an epoch above that of `header`.
  LogWriter(io::Io io, std::string directory, SegmentHeader header,
            std::unique_ptr<io::File> active, uint64_t capacity, uint64_t durable_end,
            SegmentSet& segments, SpareSlot& spares, metrics::Cells& cells);

  Outcome commit(Batch& batch);
  const Error& error() const { return error_; }  // what failed last; commit thread

  uint64_t durable_end() const { return durable_end_.load(std::memory_order_acquire); }
  /// Commits that were written again elsewhere.
  uint64_t fail_overs() const { return fail_overs_; }
  /// Bytes that a commit may have to fit into the active segment. While none is under way.
  uint64_t room() const;
  /// True when the active segment is more than half full, or holds less than twice the reserve:
  /// time for a spare.
  bool wants_spare(uint64_t seal_debt) const;
  uint64_t next_capacity() const;

 private:
  Result<> append(Batch& batch);
  Result<> begin_segment(Batch& batch, Spare spare);
  Outcome fail_over(Batch& batch, const Error& cause);
  Result<> write_elsewhere(Batch& batch);
  void count(const Batch& batch, uint64_t end);

  io::Io io_;
  const std::string directory_;
  SegmentHeader header_;  // of the active segment; the epoch may be above it while refusing
  LogCrc crc_;
  std::unique_ptr<io::File> active_;  // null: refusing
  std::atomic<uint64_t> capacity_;    // of the active segment's file
  std::atomic<uint64_t> active_base_;
  ZerosAhead zeros_;
  std::vector<iovec> content_;  // of the commit under way
  std::atomic<uint64_t> durable_end_;
  SegmentSet& segments_;
  SpareSlot& spares_;
  metrics::Cells& cells_;
  uint64_t next_probe_ms_ = 0;
  uint64_t probes_ = 0;
  std::atomic<uint64_t> fail_overs_{0};
  Error error_;
};

}  // namespace millrace::buffer
