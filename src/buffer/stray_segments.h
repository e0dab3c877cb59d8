// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stray segments: files under the name of a segment that are not of the log in whose directory they
// lie, or not where they say. They are never read as part of it, and never deleted: they are moved
// to corrupt/. Whether a file is of the log is not decided here, but where its header is read. At
// start only, main thread; put_in_order() on any thread.

#include <string>
#include <vector>

#include "buffer/segment_set.h"
#include "io/io.h"
#include "metrics/metrics.h"

namespace millrace::buffer {

/// A file under a segment's name that is none of this log's.
struct StraySegment {
  enum class Kind : uint8_t {
    kOtherLog,
    kCopy,     // of a segment that is there under its own name
    kNoPlace,  // its place in the order cannot be
  };
  std::string name;
  uint64_t file_bytes = 0;
  Kind kind = Kind::kOtherLog;
};

/// Sorts by identity. A place is taken once and base_lsn never decreases; a file that breaks this
/// (a copy, a name that is not its own) becomes one of `strays`.
void put_in_order(std::vector<Segment>& segments, std::vector<StraySegment>& strays);

/// Tells each stray and moves it to corrupt/. On a disk without room for that it stays where it is.
Result<> move_strays(io::FileSystem& files, const std::string& directory,
                     const std::vector<StraySegment>& strays, metrics::Cells& cells);

}  // namespace millrace::buffer
