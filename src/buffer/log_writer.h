// SPDX-License-Identifier: Apache-2.0
#pragma once

// LogWriter: the commit side of a log. It stamps a batch, writes it into the active segment or,
// when it does not fit there, into the spare (a roll), and syncs: one fdatasync a commit. Does not
// choose what is in a batch and answers nobody. Invariant: durable_end() only grows, is a multiple
// of 4096, and no write goes below it. After one failed write or sync nothing is written any more.
// Commit thread; durable_end() any thread.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "buffer/batch.h"
#include "buffer/segment_file.h"
#include "buffer/segment_set.h"
#include "metrics/metrics.h"

namespace millrace::buffer {

class LogWriter {
 public:
  enum class Outcome { kDurable, kNoSpare, kFailed };

  /// `header` is that of the active segment; its epoch is used for all segments of this process.
  LogWriter(io::Io io, std::string directory, SegmentHeader header,
            std::unique_ptr<io::File> active, uint64_t capacity, uint64_t durable_end,
            SegmentSet& segments, SpareSlot& spares, metrics::Cells& cells);

  /// kNoSpare: nothing was written, try again when there is a spare.
  Outcome commit(Batch& batch);
  const Error& error() const { return error_; }  // after kFailed

  uint64_t durable_end() const { return durable_end_.load(std::memory_order_acquire); }
  /// True when the active segment is more than half full: time for a spare.
  bool wants_spare() const;
  uint64_t next_capacity() const;

 private:
  Result<> append(Batch& batch);
  Result<> roll(Batch& batch, Spare spare);
  void count(const Batch& batch, uint64_t end);

  io::Io io_;
  const std::string directory_;
  SegmentHeader header_;  // of the active segment
  LogCrc crc_;
  std::unique_ptr<io::File> active_;
  std::atomic<uint64_t> capacity_;  // of the active segment's file
  std::atomic<uint64_t> active_base_;
  std::atomic<uint64_t> durable_end_;
  SegmentSet& segments_;
  SpareSlot& spares_;
  metrics::Cells& cells_;
  bool failed_ = false;
  Error error_;
};

}  // namespace millrace::buffer
