// SPDX-License-Identifier: Apache-2.0
#pragma once

// StoppedLog: a log that no service has open, changed by a tool that holds its LOCK: a chunk of
// dead/ becomes a queued chunk again, or a queued one a dead letter. Opening it is a recovery, as a
// start of the service makes one; each commit then is a segment of its own, made as in a roll.
// Delivers nothing and removes no segment. Invariant: what commit() or give_up() has returned for
// is durable; a kill at any other point leaves what was there before, or that and more. One thread.
// The Io must outlive it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "buffer/chunk_reader.h"
#include "buffer/recovery.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {

class StoppedLog {
 public:
  /// kLocked: a process holds the log; the message says which.
  static Result<std::unique_ptr<StoppedLog>> open(io::Io io, const std::string& directory);
  ~StoppedLog();

  /// All unfinished chunks, those added here as well once they are committed.
  const std::vector<QueuedChunk>& chunks() const { return recovered_.chunks; }
  /// Whether a line tells that a chunk of this id was delivered.
  bool was_delivered(const ChunkId& id) const;

  /// Lays out a chunk with the id, head, key and metadata of `open` under a number of its own; its
  /// body are the `records`, at least one. commit() makes it durable.
  void add(const OpenPayload& open, const std::vector<std::string_view>& records);
  /// Bytes laid out and not committed.
  uint64_t pending_bytes() const { return batch_ == nullptr ? 0 : batch_->bytes(); }
  /// Makes all that was laid out durable. After an error nothing more can be done with this log; it
  /// is as it was, or holds what was laid out.
  Result<> commit();

  /// Writes an unfinished chunk to dead/ and finishes it (line D), durably. `why`: of one that was
  /// to be delivered; others have a reason. `out`: what was written,
  /// or what lay there.
  Result<> give_up(QueuedChunk chunk, const std::string& why, LoadedChunk& out);
  /// The last part of it alone, for a chunk whose files are durable.
  Result<> finish_dead(const QueuedChunk& chunk);
  /// The bytes of its delivery.
  Result<> read(const QueuedChunk& chunk, LoadedChunk& out);

 private:
  StoppedLog(io::Io io, std::string directory, std::unique_ptr<io::FileLock> lock);
  Result<> recover();
  Result<> publish();
  uint32_t now_unix() const { return static_cast<uint32_t>(io_.clock.wall_us() / 1'000'000); }

  io::Io io_;
  const std::string directory_;
  std::unique_ptr<io::FileLock> lock_;
  metrics::Registry registry_;
  metrics::Cells& cells_;
  std::atomic<bool> interrupted_{false};
  BlockPool pool_;
  SegmentSet segments_;
  LogCrc crc_;
  Recovered recovered_;
  std::vector<ChunkId> delivered_;
  uint64_t end_lsn_ = 0;  // durable end
  uint64_t next_counter_ = 1;
  std::unique_ptr<Batch> batch_;
};

}  // namespace millrace::buffer
