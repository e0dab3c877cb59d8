// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lies in the directory of a log at start: its segments in order, its uuid, the epochs that
// were used, and every fact of the position files. Reads headers and lines only, never groups.
// Unlinks spares (they belong to a dead process) and moves segments of another log to corrupt/.
// Main thread, at start, with the log's LOCK held.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "buffer/position_line.h"
#include "buffer/segment_set.h"
#include "io/io.h"
#include "metrics/metrics.h"

namespace millrace::buffer {

/// Every valid line of chunks.pos and chunks.pos.next.
struct PositionFacts {
  std::map<uint64_t, PositionLine> finished;  // C S D X by chunk_seq
  std::map<uint64_t, PositionLine> attempts;  // R with the most attempts by chunk_seq
  std::vector<PositionLine> removed;          // G
  uint32_t highest_epoch = 0;                 // of lines and headers
  uint64_t invalid_slots = 0;
  std::optional<PositionHeader> header;  // of chunks.pos, else of chunks.pos.next
  bool lost = false;                     // chunks.pos is not there, or blank
  bool cut = false;                      // chunks.pos is shorter than any that was written
};

struct LogFiles {
  std::string uuid;                            // 16 bytes; empty: the log is new
  uint64_t key_seed = 0;                       // of the newest segment
  std::vector<Segment> segments;               // in order; end_lsn is the limit of what may be read
  std::map<std::string, uint64_t> capacities;  // by file name, of good headers
  uint32_t highest_epoch = 0;                  // of anything found
  PositionFacts position;
};

/// Surveys `directory`. kInvalid: a segment needs a newer version of millrace (nothing is touched).
Result<LogFiles> survey(io::FileSystem& files, const std::string& directory, metrics::Cells& cells);

}  // namespace millrace::buffer
