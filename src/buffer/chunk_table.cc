// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_table.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::buffer {
namespace {

uint64_t padded_bytes(const FoundFrame& frame) {
  return kFrameHeaderBytes + round_up(frame.payload_bytes, 8);
}

using Places = std::vector<ChunkPlace>;

Places::iterator first_from(Places& places, uint64_t base_lsn) {
  return std::lower_bound(
      places.begin(), places.end(), base_lsn,
      [](const ChunkPlace& place, uint64_t value) { return place.base_lsn < value; });
}

void note_place(Places& places, uint64_t lsn, uint64_t base_lsn) {
  const auto place = first_from(places, base_lsn);
  if (place == places.end() || place->base_lsn != base_lsn) {
    places.insert(place, ChunkPlace{.base_lsn = base_lsn, .last_lsn = lsn});
  } else {
    place->last_lsn = std::max(place->last_lsn, lsn);
  }
}

// Of a segment that was noted.
ChunkPlace& place_at(Places& places, uint64_t base_lsn) {
  const auto place = first_from(places, base_lsn);
  CHECK(place != places.end() && place->base_lsn == base_lsn);
  return *place;
}

// The index of the place that may hold a frame at `lsn`; their number if none of the chunk's frames
// lies so high there.
size_t index_of(Places& places, uint64_t lsn) {
  const auto after = first_from(places, lsn + 1);
  if (after == places.begin() || lsn > std::prev(after)->last_lsn) return places.size();
  return static_cast<size_t>(after - places.begin()) - 1;
}

// Where the frames lie that a SEAL lists, and how many of them nobody has seen.
struct Spread {
  std::vector<ChunkPlace> places;
  uint32_t missing = 0;
};

// Of the frames that are not single in the table any more, the SEAL before has told how many lie in
// which segment. `listed`: how many the new one lists there; `moved_bytes`: of those that are new.
void keep_counted(const FoundChunk& chunk, const std::vector<uint32_t>& listed,
                  uint64_t moved_bytes, Spread& spread) {
  std::vector<size_t> partly;
  for (size_t i = 0; i < listed.size(); ++i) {
    const ChunkPlace& was = chunk.places[i];
    const uint32_t kept = std::min(listed[i], was.frames);
    spread.missing += listed[i] - kept;
    if (kept == 0) {
      moved_bytes -= std::min(moved_bytes, was.frame_bytes);
      continue;
    }
    spread.places[i].frames += kept;
    spread.places[i].frame_bytes += was.frame_bytes;
    if (kept < was.frames) partly.push_back(i);
  }
  // A move takes from one segment. If the SEAL of another one was lost, all of both stays.
  if (partly.size() != 1 || moved_bytes >= chunk.places[partly[0]].frame_bytes) return;
  spread.places[partly[0]].frame_bytes -= moved_bytes;
}

Spread spread_of(FoundChunk& chunk, const std::vector<uint64_t>& frame_lsns) {
  Spread spread{.places = chunk.places};
  for (ChunkPlace& place : spread.places) {
    place.frames = 0;
    place.frame_bytes = 0;
  }
  std::vector<uint32_t> listed(chunk.places.size());
  uint64_t moved_bytes = 0;
  for (size_t i = 0; i < frame_lsns.size(); ++i) {
    if (frame_lsns[i] == kNoLsn) continue;
    const auto seen = chunk.frames.find(static_cast<uint32_t>(i + 1));
    if (seen != chunk.frames.end() && seen->second.lsn == frame_lsns[i]) {
      const uint64_t bytes = padded_bytes(seen->second);
      ChunkPlace& place = place_at(spread.places, seen->second.base_lsn);
      ++place.frames;
      place.frame_bytes += bytes;
      moved_bytes += bytes;
    } else if (const size_t at = index_of(chunk.places, frame_lsns[i]); at < listed.size()) {
      ++listed[at];
    } else {
      ++spread.missing;
    }
  }
  keep_counted(chunk, listed, moved_bytes, spread);
  return spread;
}

void add_data(FoundChunk& chunk, uint32_t frame_no, const FoundFrame& frame) {
  if (frame_no < 1 || frame_no > kFramesPerChunkMax) return;
  FoundFrame& found = chunk.frames[frame_no];
  if (found.payload_bytes > 0 && found.lsn > frame.lsn) return;
  found = frame;
}

void set_seal(FoundChunk& chunk, const ScannedFrame& frame, SealPayload&& seal, Spread&& spread,
              uint64_t base_lsn) {
  chunk.sealed = true;
  chunk.seal_lsn = frame.lsn;
  chunk.seal_bytes = frame.header.padded_bytes();
  chunk.seal_base_lsn = base_lsn;
  chunk.body_bytes = seal.body_bytes;
  chunk.records = seal.records;
  chunk.frames_missing = spread.missing;
  chunk.places = std::move(spread.places);
  chunk.open = std::move(seal.open);
  chunk.frames.clear();
}

void add_seal(FoundChunk& chunk, const ScannedFrame& frame, const std::string& payload,
              uint64_t base_lsn) {
  SealPayload seal;
  if (!decode(payload, seal) || (chunk.sealed && frame.lsn <= chunk.seal_lsn)) return;
  Spread spread = spread_of(chunk, seal.frame_lsns);
  // Frames that were moved are lost, and what they were moved from is still whole.
  if (chunk.sealed && spread.missing > 0 && chunk.frames_missing == 0) return;
  if (chunk.sealed) chunk.older_seal_lsn = chunk.seal_lsn;
  set_seal(chunk, frame, std::move(seal), std::move(spread), base_lsn);
}

void add_open(FoundChunk& chunk, const std::string& payload) {
  OpenPayload open;
  if (chunk.open || !decode(payload, open)) return;
  chunk.open = std::move(open);
  chunk.open_bytes = payload;
}

// The SEAL of a chunk all of which lies in this segment: its frames need not be told one by one.
void add_whole(FoundChunk& chunk, const SideFile::Chunk& side, const ReadFrame& frame,
               uint64_t base_lsn) {
  SealPayload seal;
  if (!decode(frame.payload, seal)) return;
  const uint64_t open_bytes = kFrameHeaderBytes + round_up(encode(seal.open).size(), 8);
  const uint64_t other_bytes = frame.scanned.header.padded_bytes() + open_bytes;
  Spread spread{.places = chunk.places};
  ChunkPlace& place = place_at(spread.places, base_lsn);
  place.frame_bytes = side.frame_bytes - std::min(side.frame_bytes, other_bytes);
  for (const uint64_t lsn : seal.frame_lsns) {
    if (lsn == kNoLsn) continue;
    const bool here = lsn > side.open_lsn && lsn < side.seal_lsn;
    ++(here ? place.frames : spread.missing);
  }
  set_seal(chunk, frame.scanned, std::move(seal), std::move(spread), base_lsn);
}

// True if the side file has counted no more of the chunk than was seen, and a SEAL of it.
bool is_all_but_seal(const FoundChunk& chunk, const SideFile::Chunk& side, uint64_t base_lsn) {
  const uint64_t open_bytes = chunk.open_bytes.size();
  uint64_t bytes =
      kFrameHeaderBytes + round_up(seal_payload_bytes(open_bytes, chunk.frames.size()), 8);
  if (side.open_lsn != kNoLsn) bytes += kFrameHeaderBytes + round_up(open_bytes, 8);
  for (const auto& [frame_no, frame] : chunk.frames) {
    if (frame.base_lsn == base_lsn) bytes += padded_bytes(frame);
  }
  return chunk.open && bytes == side.frame_bytes;
}

}  // namespace

std::vector<Share> FoundChunk::shares() const {
  Places live = places;
  if (sealed) place_at(live, seal_base_lsn).frame_bytes += seal_bytes;
  if (!sealed) {
    for (const auto& [frame_no, frame] : frames) {
      place_at(live, frame.base_lsn).frame_bytes += padded_bytes(frame);
    }
  }
  std::vector<Share> shares;
  for (const ChunkPlace& place : live) shares.push_back(Share{place.base_lsn, place.frame_bytes});
  return shares;
}

void ChunkTable::add(const ScannedFrame& frame, const std::optional<std::string>& payload,
                     uint64_t base_lsn) {
  FoundChunk& chunk = chunks_[frame.header.chunk_seq];
  note_place(chunk.places, frame.lsn, base_lsn);
  if (frame.header.kind == FrameKind::kData) {
    add_data(chunk, frame.header.frame_no,
             FoundFrame{.lsn = frame.lsn,
                        .base_lsn = base_lsn,
                        .payload_bytes = frame.header.payload_bytes,
                        .records = frame.header.records,
                        .header_crc = frame.header.header_crc});
  } else if (payload && frame.header.kind == FrameKind::kSeal) {
    add_seal(chunk, frame, *payload, base_lsn);
  } else if (payload) {
    add_open(chunk, *payload);
  }
}

void ChunkTable::add(const SideFile::Chunk& side, const TakenFrames& taken, uint64_t base_lsn) {
  FoundChunk& chunk = chunks_[side.seq];
  for (const uint64_t lsn : {side.open_lsn, side.seal_lsn}) {
    if (lsn != kNoLsn) note_place(chunk.places, lsn, base_lsn);
  }
  for (const SideFile::Frame& data : side.frames) {
    note_place(chunk.places, data.lsn, base_lsn);
    add_data(chunk, data.frame_no,
             FoundFrame{.lsn = data.lsn,
                        .base_lsn = base_lsn,
                        .payload_bytes = data.payload_bytes,
                        .records = data.records,
                        .header_crc = data.header_crc});
  }
  for (const ScannedFrame& frame : taken.data) add(frame, std::nullopt, base_lsn);
  if (!taken.last) return;
  if (is_whole(side) && !chunk.sealed) {
    add_whole(chunk, side, *taken.last, base_lsn);
  } else {
    add(taken.last->scanned, taken.last->payload, base_lsn);
  }
}

void ChunkTable::recall(const SideFile::Chunk& side, uint64_t base_lsn) {
  const auto found = chunks_.find(side.seq);
  CHECK(found != chunks_.end());
  FoundChunk& chunk = found->second;
  if (chunk.open && side.id != ChunkId() && chunk.open->id != side.id) return;
  add(side, {}, base_lsn);
  if (side.id != ChunkId()) chunk.told_id = side.id;
  if (side.seal_lsn == kNoLsn || (chunk.sealed && side.seal_lsn <= chunk.seal_lsn)) return;
  if (!is_all_but_seal(chunk, side, base_lsn)) chunk.lost_seal_lsn = side.seal_lsn;
}

bool is_damaged(const FoundChunk& chunk) { return chunk.frames_missing > 0; }

QueuedChunk to_queued(uint64_t seq, const FoundChunk& chunk) {
  return QueuedChunk{.seq = seq,
                     .id = chunk.open->id,
                     .seal_lsn = chunk.seal_lsn,
                     .older_seal_lsn = chunk.older_seal_lsn,
                     .body_bytes = chunk.body_bytes,
                     .records = chunk.records,
                     .kind = chunk.open->kind,
                     .dead_reason = chunk.open->dead_reason,
                     .damaged = is_damaged(chunk),
                     .shares = chunk.shares()};
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
  staged.shares = chunk.shares();
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
  if (chunk.lost_seal_lsn != kNoLsn && expected <= kFramesPerChunkMax) {
    staged.frame_lsns.push_back(kNoLsn);
    ++expected;
  }
  staged.next_frame_no = expected;
  return staged;
}

}  // namespace millrace::buffer
