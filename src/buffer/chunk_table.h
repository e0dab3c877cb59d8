// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChunkTable: the chunks that the frames of a log tell of, gathered at start. A valid SEAL makes
// the single DATA frames of its chunk unnecessary, so a long backlog costs a few hundred bytes a
// chunk. Does no I/O. Invariant: of two frames with one (chunk_seq, frame_no) the one with the
// higher lsn counts; they are equal in content. Main thread, at start.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "buffer/chunk.h"
#include "buffer/segment_scanner.h"

namespace millrace::buffer {

struct FoundFrame {
  uint64_t lsn = 0;
  uint32_t payload_bytes = 0;
  uint32_t records = 0;
  uint32_t header_crc = 0;
};

struct FoundChunk {
  std::optional<OpenPayload> open;  // of OPEN, or the copy in SEAL
  std::string open_bytes;
  bool sealed = false;
  uint64_t seal_lsn = 0;
  uint64_t body_bytes = 0;     // of SEAL
  uint64_t records = 0;        // of SEAL
  uint32_t frames_listed = 0;  // of SEAL
  uint32_t frames_seen = 0;
  std::map<uint32_t, FoundFrame> frames;  // DATA by frame_no; emptied by a SEAL
  std::vector<Share> shares;              // by base_lsn
};

class ChunkTable {
 public:
  /// A frame of the segment at `base_lsn`. `payload` is needed for OPEN and SEAL; nothing: its CRC
  /// does not hold, and the frame tells no more than that it was there.
  void add(const ScannedFrame& frame, const std::optional<std::string>& payload, uint64_t base_lsn);

  std::map<uint64_t, FoundChunk>& chunks() { return chunks_; }
  uint64_t highest_seq() const { return chunks_.empty() ? 0 : chunks_.rbegin()->first; }

 private:
  std::map<uint64_t, FoundChunk> chunks_;  // by chunk_seq
};

/// True if the SEAL of a sealed chunk names frames that are not there.
bool is_damaged(const FoundChunk& chunk);
/// A sealed chunk, ready to be queued.
QueuedChunk to_queued(uint64_t seq, const FoundChunk& chunk);
/// An unsealed chunk as if it were staged, so that it can be sealed; missing frames as kNoLsn.
/// Nothing if not one DATA frame is left.
std::optional<StagedChunk> to_staged(uint64_t seq, const FoundChunk& chunk, const LogCrc& crc);

}  // namespace millrace::buffer
