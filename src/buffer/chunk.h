// SPDX-License-Identifier: Apache-2.0
#pragma once

// A chunk in memory: while it takes records (StagedChunk), once it is sealed (QueuedChunk), and
// what an output lays down for the chunks it will be given (ChunkProfile). Values; a StagedChunk
// belongs to its worker's loop thread, a QueuedChunk moves from thread to thread with its owner.
// Life: staged -> sealing (its SEAL is in a commit under way) -> queued -> in flight -> finished.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "buffer/chunk_frames.h"

namespace millrace::buffer {

/// Bytes of a chunk's frames in one place: what keeps a segment on disk. While a chunk is staged
/// the place is the first lsn of a commit (which segment takes it is not known yet), afterwards the
/// base_lsn of a segment. OPEN frames are not counted: a SEAL repeats them, and until there is one
/// they lie beside a DATA frame. A place of 0 bytes has copies of frames that were moved.
struct Share {
  uint64_t lsn = 0;
  uint64_t frame_bytes = 0;
};

/// Head and partition key of a chunk that is being opened.
struct HeadAndKey {
  std::string head;
  std::string partition_key;
};

/// What an output fixes for its chunks. `head` is called once a chunk, on the loop thread.
struct ChunkProfile {
  uint8_t payload_format = kFormatOpaque;
  TailKind tail = TailKind::kNone;
  uint64_t chunk_bytes_max = 0;   // a chunk is sealed before its body passes this
  uint64_t record_bytes_max = 0;  // one record may be so large; alone in its chunk above the former
  uint64_t records_max = 0;       // 0: none
  bool seal_each_request = false;  // flush_mode immediate
  std::function<HeadAndKey(const ChunkId&)> head;
};

struct StagedChunk {
  std::string stage_key;
  uint64_t seq = 0;
  ChunkKind kind = ChunkKind::kDeliver;
  DeadReason dead_reason = DeadReason::kNone;
  ChunkId id;
  std::string open_bytes;  // encoded OPEN payload
  Metadata metadata;
  bool fresh = true;  // opened by the request that is being laid out
  uint64_t opened_running_ms = 0;
  uint64_t chunk_bytes_max = 0;  // limits in force when it was opened
  uint64_t records_max = 0;
  bool seal_each_request = false;
  uint64_t body_bytes = 0;
  uint64_t records = 0;
  uint32_t next_frame_no = 1;
  uint32_t chunk_crc = 0;            // over the header CRCs so far
  std::vector<uint64_t> frame_lsns;  // DATA frames by frame_no - 1
  std::vector<Share> shares;         // by commit
  uint64_t seal_debt = 0;            // bytes that are kept free for its SEAL
};

/// Why a chunk that was meant to be delivered is put into dead/ instead.
enum class GiveUp : uint8_t { kNone, kRefused, kRetryLimit, kByHand };

struct QueuedChunk {
  uint64_t seq = 0;
  ChunkId id;
  uint64_t seal_lsn = 0;
  uint64_t older_seal_lsn = kNoLsn;  // that of the copy it was moved from, if it may still be there
  uint64_t body_bytes = 0;
  uint64_t records = 0;
  ChunkKind kind = ChunkKind::kDeliver;
  DeadReason dead_reason = DeadReason::kNone;
  bool damaged = false;  // found at start: frames are missing
  bool movable = true;   // false: stays where it is until it is finished
  GiveUp give_up = GiveUp::kNone;
  uint8_t throttles = 0;           // in a row
  uint32_t attempts = 0;           // finished attempts to deliver, of all lives
  uint32_t failures = 0;           // failures that count towards the retry limits
  uint64_t deadline_ms = 0;        // running time of the retry limit; 0: no failure counted yet
  uint64_t first_failure_ms = 0;   // running time, of this life; 0: none yet
  uint64_t elapsed_before_ms = 0;  // time failing in earlier lives of the process
  uint64_t not_before_ms = 0;      // running time of the next attempt
  uint64_t queued_running_ms = 0;
  uint64_t attempt_line_ms = 0;  // running time of its last R line
  std::string last_error;        // of its last attempt, for people
  std::vector<Share> shares;     // by segment once it is queued
};
// With its place in the queue and one share 256 bytes of the heap: all that a long backlog takes.
static_assert(sizeof(QueuedChunk) <= 176);

}  // namespace millrace::buffer
