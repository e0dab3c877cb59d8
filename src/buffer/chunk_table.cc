// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_table.h"

namespace millrace::buffer {
namespace {

void add_share(FoundChunk& chunk, uint64_t base_lsn, uint64_t frame_bytes) {
  if (chunk.shares.empty() || chunk.shares.back().lsn != base_lsn) {
    chunk.shares.push_back(Share{base_lsn, 0});
  }
  chunk.shares.back().frame_bytes += frame_bytes;
}

void add_data(FoundChunk& chunk, const ScannedFrame& frame) {
  const uint32_t frame_no = frame.header.frame_no;
  if (chunk.sealed || frame_no < 1 || frame_no > kFramesPerChunkMax) return;
  const auto [place, added] = chunk.frames.try_emplace(frame_no);
  if (added) ++chunk.frames_seen;
  place->second = FoundFrame{.lsn = frame.lsn,
                             .payload_bytes = frame.header.payload_bytes,
                             .records = frame.header.records,
                             .header_crc = frame.header.header_crc};
}

void add_seal(FoundChunk& chunk, const ScannedFrame& frame, const std::string& payload) {
  SealPayload seal;
  if (!decode(payload, seal)) return;
  chunk.sealed = true;
  chunk.seal_lsn = frame.lsn;
  chunk.body_bytes = seal.body_bytes;
  chunk.records = seal.records;
  chunk.frames_listed = 0;
  for (const uint64_t lsn : seal.frame_lsns) {
    chunk.frames_listed += lsn == kNoLsn ? 0 : 1;
  }
  chunk.open = std::move(seal.open);
  chunk.frames.clear();
}

}  // namespace

void ChunkTable::add(const ScannedFrame& frame, const std::optional<std::string>& payload,
                     uint64_t base_lsn) {
  FoundChunk& chunk = chunks_[frame.header.chunk_seq];
  add_share(chunk, base_lsn, frame.header.padded_bytes());
  if (frame.header.kind == FrameKind::kData) {
    add_data(chunk, frame);
  } else if (payload && frame.header.kind == FrameKind::kSeal) {
    add_seal(chunk, frame, *payload);
  } else if (payload && !chunk.open) {
    OpenPayload open;
    if (decode(*payload, open)) {
      chunk.open = std::move(open);
      chunk.open_bytes = *payload;
    }
  }
}

bool is_damaged(const FoundChunk& chunk) { return chunk.frames_seen < chunk.frames_listed; }

QueuedChunk to_queued(uint64_t seq, const FoundChunk& chunk) {
  return QueuedChunk{.seq = seq,
                     .id = chunk.open->id,
                     .seal_lsn = chunk.seal_lsn,
                     .body_bytes = chunk.body_bytes,
                     .records = chunk.records,
                     .kind = chunk.open->kind,
                     .dead_reason = chunk.open->dead_reason,
                     .damaged = is_damaged(chunk),
                     .shares = chunk.shares};
}

std::optional<StagedChunk> to_staged(uint64_t seq, const FoundChunk& chunk, const LogCrc& crc) {
  if (chunk.frames.empty()) return std::nullopt;
  StagedChunk staged;
  staged.fresh = false;
  staged.seq = seq;
  staged.id = chunk.open->id;
  staged.kind = chunk.open->kind;
  staged.dead_reason = chunk.open->dead_reason;
  staged.open_bytes = chunk.open_bytes;
  staged.chunk_crc = crc.seed;
  staged.shares = chunk.shares;
  uint32_t expected = 1;
  for (const auto& [frame_no, frame] : chunk.frames) {
    for (; expected < frame_no; ++expected) {
      staged.frame_lsns.push_back(kNoLsn);
    }
    staged.frame_lsns.push_back(frame.lsn);
    staged.chunk_crc = chain_crc(staged.chunk_crc, frame.header_crc);
    staged.body_bytes += frame.payload_bytes;
    staged.records += frame.records;
    ++expected;
  }
  staged.next_frame_no = expected;
  return staged;
}

}  // namespace millrace::buffer
