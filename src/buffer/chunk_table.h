// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChunkTable: the chunks that the frames of a log tell of, gathered at start. A valid SEAL makes
// the single DATA frames of its chunk unnecessary, so a long backlog costs a few hundred bytes a
// chunk. Does no I/O. Invariant: of the SEALs of a chunk the one with the highest lsn counts, and
// the frames it lists, unless some of them are missing and those of the one before are not; without
// a SEAL, of two frames with one frame_no the one with the higher lsn. Either way they are equal in
// content: only a move repeats a frame. Main thread, at start.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "buffer/chunk.h"
#include "buffer/segment_scanner.h"
#include "buffer/side_file.h"

namespace millrace::buffer {

struct FoundFrame {
  uint64_t lsn = 0;
  uint64_t base_lsn = 0;  // of its segment
  uint32_t payload_bytes = 0;
  uint32_t records = 0;
  uint32_t header_crc = 0;
};

/// What one segment has of a chunk.
struct ChunkPlace {
  uint64_t base_lsn = 0;
  uint64_t last_lsn = 0;     // of its last frame there
  uint32_t frames = 0;       // DATA frames there that the SEAL lists
  uint64_t frame_bytes = 0;  // of those
};

struct FoundChunk {
  std::optional<OpenPayload> open;  // of OPEN, or the copy in SEAL
  std::string open_bytes;
  std::optional<ChunkId> told_id;  // by a side file, of a chunk that lost OPEN and SEAL
  bool sealed = false;
  uint64_t seal_lsn = 0;
  uint64_t older_seal_lsn = kNoLsn;       // of a chunk that was moved
  uint64_t seal_bytes = 0;                // the whole frame
  uint64_t seal_base_lsn = 0;             // of its segment
  uint64_t body_bytes = 0;                // of SEAL
  uint64_t records = 0;                   // of SEAL
  uint32_t frames_missing = 0;            // SEAL lists them, and they were not seen
  uint64_t lost_seal_lsn = kNoLsn;        // of a later SEAL that is lost with frames it listed
  std::map<uint32_t, FoundFrame> frames;  // DATA by frame_no that came since the last SEAL
  std::vector<ChunkPlace> places;         // by base_lsn

  /// Live bytes by base_lsn; 0 where only copies lie that do not count.
  std::vector<Share> shares() const;
};

/// What has to be read in a segment beside its side file, for one chunk; nothing of a finished one.
struct TakenFrames {
  std::optional<ReadFrame> last;   // its SEAL there or, without one, its OPEN there
  std::vector<ScannedFrame> data;  // that the SEAL lists there, unless is_whole()
};
/// True if the segment has OPEN and SEAL of the chunk, and so all of it.
inline bool is_whole(const SideFile::Chunk& side) {
  return side.open_lsn != kNoLsn && side.seal_lsn != kNoLsn;
}

class ChunkTable {
 public:
  /// A frame of the segment at `base_lsn`. `payload` is needed for OPEN and SEAL; nothing: its CRC
  /// does not hold, and the frame tells no more than that it was there.
  void add(const ScannedFrame& frame, const std::optional<std::string>& payload, uint64_t base_lsn);
  /// What the side file of the segment at `base_lsn` tells of a chunk, instead of its frames.
  void add(const SideFile::Chunk& side, const TakenFrames& taken, uint64_t base_lsn);

  /// What the side file of a damaged segment tells, beside its frames, of a chunk that was added:
  /// DATA frames that do not hold any more, or that it had a SEAL.
  void recall(const SideFile::Chunk& side, uint64_t base_lsn);

  /// True if a SEAL of the chunk was added.
  bool is_sealed(uint64_t seq) const {
    const auto chunk = chunks_.find(seq);
    return chunk != chunks_.end() && chunk->second.sealed;
  }
  std::map<uint64_t, FoundChunk>& chunks() { return chunks_; }
  uint64_t highest_seq() const { return chunks_.empty() ? 0 : chunks_.rbegin()->first; }

 private:
  std::map<uint64_t, FoundChunk> chunks_;  // by chunk_seq
};

/// True if the SEAL of a sealed chunk names frames that are not there.
bool is_damaged(const FoundChunk& chunk);
/// A sealed chunk, ready to be queued.
QueuedChunk to_queued(uint64_t seq, const FoundChunk& chunk);
/// An unsealed chunk as if it were staged, so that it can be sealed; missing frames as kNoLsn, and
/// so what came before a SEAL that is lost, however many they were.
/// Nothing if not one DATA frame is left.
std::optional<StagedChunk> to_staged(uint64_t seq, const FoundChunk& chunk, const LogCrc& crc);

}  // namespace millrace::buffer
