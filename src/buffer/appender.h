// SPDX-License-Identifier: Apache-2.0
#pragma once

// Appender: the loop's side of a log. It keeps the staged chunks, turns requests into groups of the
// open batch, seals chunks that are full, old or asked for, and lays out what is moved. Does no I/O
// and knows no commit: the Log hands its closed batches on. A request is begin(), any number of
// records, then end() or abort(); abort() leaves everything as it was. Invariant: outside a request
// no group is open, and every staged chunk has a record in it. Loop thread of its worker. The pool
// and the Io must outlive it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "buffer/group_writer.h"
#include "io/io.h"

namespace millrace::buffer {

/// Where records go: the staged chunk of `stage_key`, or the next one opened under it.
struct StageTarget {
  std::string_view stage_key;  // one staged chunk per key; made from the metadata
  const Metadata* metadata = nullptr;
  const ChunkProfile* profile = nullptr;
  ChunkKind kind = ChunkKind::kDeliver;
  DeadReason dead_reason = DeadReason::kNone;
};

class Appender {
 public:
  static constexpr size_t kStagedChunksMax = 1024;  // beyond: the oldest is sealed
  static constexpr uint64_t kStagedFrameListBytesMax = 32ULL << 20;

  Appender(io::Io io, BlockPool& pool, LogCrc crc, uint32_t epoch, uint64_t start_lsn);
  ~Appender();

  // --- One request.
  void begin(uint64_t request_id, const std::optional<RequestKey>& request_key);
  /// Room for the next record in place; may be too small for it, or none while no chunk is staged:
  /// then use put().
  GroupWriter::Space space(const StageTarget& target);
  /// The first `bytes` of the last space() of this target are one record.
  void take(const StageTarget& target, size_t bytes);
  void put(const StageTarget& target, std::string_view record);
  /// One record as a dead letter in a chunk of its own, sealed at once.
  void put_dead_letter(const StageTarget& target, std::string_view record);
  void end();
  void abort();

  // --- Sealing, outside requests. Each returns the number of chunks sealed.
  size_t seal_older_than(uint64_t running_ms_opened_before, SealReason reason);
  size_t seal_all(SealReason reason);
  /// Those with frames in commits that begin in [from_lsn, to_lsn).
  size_t seal_within(uint64_t from_lsn, uint64_t to_lsn, SealReason reason);
  /// A MOVE group: frames of a queued chunk as they are, and a SEAL that names their new places.
  void put_move(ChunkMove move);
  /// A PAD group, which proves the commit before it.
  void put_pad();

  // --- Batches.
  bool has_batch() const { return batch_ != nullptr && !batch_->empty(); }
  /// The open batch, closed. The next one starts where it ends.
  std::unique_ptr<Batch> close_batch();
  /// One that is done; a later one may take its memory.
  void reuse(std::unique_ptr<Batch> batch);

  size_t staged_chunks() const { return staged_.size(); }
  uint64_t staged_bytes() const { return staged_bytes_; }
  /// Chunks sealed in the open batch: no longer staged, not yet queued.
  uint64_t sealing_chunks() const { return batch_ == nullptr ? 0 : batch_->sealed.size(); }
  uint64_t open_batch_bytes() const { return batch_ == nullptr ? 0 : batch_->bytes(); }
  size_t open_batch_requests() const { return batch_ == nullptr ? 0 : batch_->requests.size(); }
  /// Where the open batch begins, or will.
  uint64_t batch_begin_lsn() const {
    return batch_ == nullptr ? next_start_lsn_ : batch_->start_lsn();
  }
  /// Bytes that the SEALs of all staged chunks take at most, each in a commit of its own, and one
  /// block; the open request included.
  uint64_t seal_debt() const;
  /// The same, counted anew; outside requests.
  uint64_t count_seal_debt() const;

 private:
  struct Undo {
    StagedChunk* chunk;
    uint64_t body_bytes, records;
    uint32_t next_frame_no, chunk_crc;
    size_t frames, shares;
    uint64_t last_share_bytes;
  };
  StagedChunk& chunk_for(const StageTarget& target);
  StagedChunk& open_chunk(const StageTarget& target);
  std::unique_ptr<StagedChunk> make_chunk(const StageTarget& target);
  void remember(StagedChunk& chunk);
  void seal(const std::string& stage_key, SealReason reason);
  void seal_chunk(std::unique_ptr<StagedChunk> sealed, SealReason reason);
  bool would_pass_limit(const StagedChunk& chunk, size_t bytes) const;
  void seal_full_chunks();
  void seal_if_full(const std::string& stage_key);
  std::unique_ptr<Batch> new_batch();
  void begin_group(GroupType type, std::string_view key);
  void end_group();
  size_t seal_where(SealReason reason, const std::function<bool(const StagedChunk&)>& chosen);
  void keep_stage_bounded();
  void renew_seal_debt(StagedChunk& chunk);

  io::Io io_;
  BlockPool& pool_;
  LogCrc crc_;
  uint32_t epoch_;
  uint64_t next_counter_ = 1;
  uint64_t next_start_lsn_;
  std::unique_ptr<Batch> batch_;
  std::unique_ptr<Batch> used_batch_;  // empty, for the next one
  GroupWriter writer_;
  std::map<std::string, std::unique_ptr<StagedChunk>, std::less<>> staged_;
  uint64_t staged_bytes_ = 0;
  uint64_t staged_frames_ = 0;  // never less than the entries of all frame lists
  uint64_t seal_debt_ = 0;      // sum over the staged chunks

  // Of the open request.
  uint64_t request_id_ = 0;
  std::optional<RequestKey> request_key_;
  uint64_t staged_bytes_before_ = 0;
  uint64_t staged_frames_before_ = 0;
  uint64_t seal_debt_before_ = 0;
  std::vector<Undo> undo_;                           // chunks it touched and did not open
  std::vector<std::string> opened_;                  // stage keys of chunks it opened
  std::vector<std::unique_ptr<StagedChunk>> taken_;  // chunks that it sealed
  std::string scratch_;
};

}  // namespace millrace::buffer
