// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reclaimer: finds the segments of which little is still needed, and reads what is left of one so
// that it can be moved. A chunk whose frames do not all hold stays where it is. Neither writes nor
// removes anything. Invariant: every chunk it takes from the queue is in what load() returns or
// back in the queue. Housekeeping thread. What the constructor takes must outlive it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "buffer/chunk_move.h"
#include "buffer/chunk_queue.h"
#include "buffer/chunk_reader.h"
#include "buffer/segment_set.h"

namespace millrace::buffer {

class Reclaimer {
 public:
  Reclaimer(io::Clock& clock, ChunkReader reader, const SegmentSet& segments, ChunkQueue& queue,
            MoveLimits limits);

  /// A segment that was left long ago and is less than a quarter live. Nothing: none is, or nothing
  /// in them could be moved a moment ago.
  std::optional<Segment> next();
  /// Chunks of `segment` that nobody holds, as many as fit into `frame_bytes` together; of one that
  /// is larger than a commit may be, a slice.
  std::vector<ChunkMove> load(const Segment& segment, uint64_t frame_bytes);

 private:
  Result<> read(const Segment& segment, ChunkMove& move);
  /// Where in the list the frames end that the slice has, of those in the segment.
  Result<size_t> read_frames(const Segment& segment, ChunkMove& move);

  io::Clock& clock_;
  ChunkReader reader_;
  const SegmentSet& segments_;
  ChunkQueue& queue_;
  const MoveLimits limits_;
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> not_before_ms_;  // by epoch and base_lsn
};

}  // namespace millrace::buffer
