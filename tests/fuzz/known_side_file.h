// SPDX-License-Identifier: Apache-2.0
#pragma once

// The side file of a segment of which everything is known.

#include <algorithm>
#include <map>

#include "buffer/side_file.h"
#include "tests/fuzz/damaged_segment.h"
#include "tests/fuzz/log_story.h"

namespace millrace::testing {

inline void note(const DamagedSegment& there, const WrittenFrame& frame,
                 buffer::SideFile::Chunk& chunk) {
  chunk.seq = frame.chunk_seq;
  chunk.frame_bytes += frame.end_lsn() - frame.lsn;
  if (frame.kind == 1) {
    chunk.frames.push_back({.lsn = frame.lsn,
                            .frame_no = frame.frame_no,
                            .payload_bytes = static_cast<uint32_t>(frame.payload.size()),
                            .records = frame.records,
                            .header_crc = frame.header_crc});
    return;
  }
  (frame.kind == 2 ? chunk.open_lsn : chunk.seal_lsn) = frame.lsn;
  if (!there.payload_holds(frame)) return;
  const std::string_view payload = frame.payload;
  const size_t open_at = frame.kind == 2 ? 0 : 40;  // a SEAL has a copy behind its own fields
  chunk.id = ChunkId::from_bytes(payload.substr(open_at, 16));
}

/// What the side file of a segment must tell: all of the groups that hold, whatever their payloads.
inline buffer::SideFile side_file_of(const DamagedSegment& there) {
  buffer::SideFile side{.uuid = LogStory::kUuid,
                        .base_lsn = there.base_lsn(),
                        .end_lsn = there.end_lsn(),
                        .epoch = there.written().header().epoch,
                        .damaged = false,
                        .chunks = {},
                        .keys = {}};
  std::map<uint64_t, buffer::SideFile::Chunk> chunks;
  for (const WrittenGroup& group : there.groups()) {
    if (group.lsn >= there.end_lsn()) break;
    if (!there.holds_but_payloads(group)) {
      side.damaged = true;
      continue;
    }
    for (const WrittenFrame& frame : group.frames) {
      note(there, frame, chunks[frame.chunk_seq]);
    }
    if (group.key == std::string(16, '\0')) continue;
    side.keys.emplace_back();
    std::copy(group.key.begin(), group.key.end(), side.keys.back().begin());
  }
  for (auto& [seq, chunk] : chunks) {
    if (chunk.seal_lsn != kNowhere) chunk.frames.clear();
    side.chunks.push_back(chunk);
  }
  return side;
}

}  // namespace millrace::testing
