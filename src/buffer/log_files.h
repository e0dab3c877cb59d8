// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lies in the directory of a log at start: its segments in order, its uuid, the epochs that
// were used, and every fact of the position files. Reads headers and lines only, never groups.
// look() changes nothing and may be used on the log of a running service; survey() also unlinks
// spares (they belong to a dead process) and moves segments of another log to corrupt/.
// survey(): main thread, at start, with the log's LOCK held. look(): any thread, without it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "buffer/position_line.h"
#include "buffer/segment_set.h"
#include "buffer/stray_segments.h"
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
  std::vector<uint64_t> invalid_at;      // offsets of such slots in chunks.pos, the first of them
  std::vector<std::string> bad_headers;  // names of position files that are not blank
  std::vector<std::string> foreign;      // names of position files of another log
  bool lost = false;                     // chunks.pos is not there, or blank
  bool cut = false;                      // chunks.pos is shorter than any that was written
};

struct LogFiles {
  std::string uuid;                            // 16 bytes; empty: the log is new
  uint64_t key_seed = kNoKeySeed;              // of the newest header that tells it
  uint32_t worker_id = 0;                      // likewise
  std::string output_id;                       // likewise
  std::vector<Segment> segments;               // in order; end_lsn is the limit of what may be read
  std::map<std::string, uint64_t> capacities;  // by file name, of good headers
  std::vector<StraySegment> strays;
  std::vector<io::DirectoryEntry> spares;
  uint32_t highest_epoch = 0;  // of anything found
  PositionFacts position;
};

/// Looks at `directory`. kInvalid: a segment needs a newer version of millrace. Segments that
/// vanish meanwhile are passed over; lines are read last, so they know of every segment's removal.
Result<LogFiles> look(io::FileSystem& files, const std::string& directory);

/// True if the disk has so much room that what failed its checks may be kept in corrupt/.
bool may_set_aside(io::FileSystem& files, const std::string& directory);

/// look(), and puts the directory in order. With an error nothing was touched, or can be again.
Result<LogFiles> survey(io::FileSystem& files, const std::string& directory, metrics::Cells& cells);

}  // namespace millrace::buffer
