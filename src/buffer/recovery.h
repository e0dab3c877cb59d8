// SPDX-License-Identifier: Apache-2.0
#pragma once

// Recovery: opens a log at start, whatever state a kill or a power cut left it in. It finds what
// was durable, writes the unproved tail again into a new segment together with the SEALs of all
// unsealed chunks, begins a new position file, and tells which chunks are queued. On a disk without
// room for that segment it hands on what belongs into it; the rest is delivered meanwhile. Cuts
// nothing off old files (housekeeping does) and delivers nothing. Invariant: everything below D
// (the proof) is taken as it is; nothing from D on is relied on before it is durable again in the
// new segment. Main thread, with the log's LOCK held.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "buffer/batch.h"
#include "buffer/chunk_table.h"
#include "buffer/key_table.h"
#include "buffer/log_files.h"
#include "buffer/position_file.h"
#include "buffer/segment_file.h"
#include "buffer/segment_set.h"
#include "buffer/side_file_set.h"

namespace millrace::buffer {

struct RecoverySettings {
  std::string directory;
  std::string output_id;
  uint32_t worker_id = 0;
  uint64_t key_seed = 0;
  KeyTable* keys = nullptr;  // takes the request keys that are found
  LogBits key_bit = 0;
  uint64_t segment_bytes = kFirstSegmentBytes;  // of the new segment; at least what it takes
};

struct Recovered {
  SegmentHeader header;              // of the new segment, which is active
  std::unique_ptr<io::File> active;  // null: the disk has no room for it
  uint64_t capacity = 0;
  uint64_t durable_end = 0;
  uint32_t epoch = 0;               // of chunks that will be opened
  uint64_t next_lsn = 0;            // where the log goes on
  bool proved = false;              // a PAD proves the new segment's commit
  std::vector<QueuedChunk> chunks;  // unfinished, sealed and durable, by chunk_seq
  std::unique_ptr<PositionFile> position;
  std::vector<SideFileSet::Known> side_files;  // in lsn order

  // Without the new segment: its one commit, with the chunks and keys that are durable with it (the
  // keys are pending), and what the disk said. header.epoch is then the last that may be in use.
  std::unique_ptr<Batch> unwritten;
  Error refusal;
};

class Recovery {
 public:
  /// `interrupted` ends it early with kInterrupted; what it did so far can be done again.
  Recovery(io::Io io, RecoverySettings settings, SegmentSet& segments, BlockPool& pool,
           metrics::Cells& cells, const std::atomic<bool>& interrupted);

  Result<Recovered> run();

 private:
  Result<> read_side_files();
  Result<> note_side_file(const std::string& name);
  bool is_unfinished(const SideFile::Chunk& chunk) const;
  bool take_side_file(const Segment& segment);
  void recall_lost();
  Result<> find_proof(const Segment& newest);
  bool continues_tail(const GroupHeader& header) const;
  Result<bool> prove_by_name(SegmentScanner& scanner, const Segment& segment);
  Result<> read_segment(const Segment& segment, bool newest);
  std::optional<RequestKey> key_of(const GroupHeader& header) const;
  void keep_key(const GroupHeader& header);
  void keep_key(const RequestKey& key);
  bool has_other_seed() const;
  void tell_foreign_keys();
  Result<> read_gap(SegmentScanner& scanner, const Segment& segment);
  void mark_damaged(const Segment& segment);
  void tell_bad_payload(const Segment& segment, const ScannedFrame& frame);
  Result<> add_frames(SegmentScanner& scanner, const Segment& segment,
                      const std::vector<ScannedFrame>& frames, uint64_t base_lsn);
  Result<> keep_torn_tail(SegmentScanner& scanner, const Segment& segment, uint64_t from);
  Result<> copy_aside(const Segment& segment, uint64_t from, uint64_t to);
  void tell_unreadable(const Segment& segment, uint64_t bytes);
  void report_unreadable(const Segment& segment);
  void tell_lost();
  void report_missing();
  bool report_gaps();
  bool was_left(const Segment& segment) const;
  bool report_newest();
  bool report_chunks_without_frames();
  void report_position();
  void drop_finished();
  Result<> publish(Recovered& out);
  Result<> write_segment(Batch& batch, Recovered& out);
  Result<> prove(Recovered& out);
  void claim_tail_keys(Batch& batch);
  Result<> copy_tail(Batch& batch);
  void seal_unsealed(Batch& batch);
  void collect_chunks(Recovered& out);
  void hold_back(QueuedChunk chunk, Batch& batch);
  Result<> begin_position(Recovered& out);

  io::Io io_;
  const RecoverySettings settings_;
  SegmentSet& segments_;
  BlockPool& pool_;
  metrics::Cells& cells_;
  const std::atomic<bool>& interrupted_;

  LogFiles files_;
  LogCrc crc_;
  uint32_t epoch_ = 1;
  uint64_t proof_ = 0;  // D
  ChunkTable table_;
  uint64_t foreign_keys_ = 0;
  uint64_t held_ = 0;      // groups, and frames of corrupt ranges, that held
  uint64_t read_end_ = 0;  // where the last good group ends
  std::vector<SideFileSet::Known> side_files_;
  std::vector<ChunkId> lost_;             // chunks of which no frame is left
  std::vector<GroupHeader> tail_;         // valid groups from D on, of the newest segment
  std::vector<KeptLine> kept_;            // lines of finished chunks with frames on disk
  std::vector<QueuedChunk> sealed_here_;  // by this recovery
};

}  // namespace millrace::buffer
