// SPDX-License-Identifier: Apache-2.0
#pragma once

// The first commit of a segment, with which it comes into being: written into a spare, synced, and
// only then the segment has its name. Used by a roll, a fail-over, a start and the buffer tools;
// the last two know of no commit to come and prove it by a PAD at once. Invariant: a spare that was
// written to becomes that segment or is unlinked. Any thread that may write the log.

#include <cstdint>
#include <string>

#include "buffer/batch.h"
#include "buffer/layout.h"
#include "buffer/segment_file.h"
#include "buffer/segment_set.h"
#include "io/io.h"

namespace millrace::buffer {

/// Behind a commit that is all a segment is made for: a block for its PAD, and one by which a file
/// that was cut to its end, for another followed, differs from one that is full.
constexpr uint64_t kBlocksBehindCommit = 2;

/// Makes `batch` durable as the segment of `header`, whose base_lsn is the batch's start and whose
/// epoch is set; time and capacity are filled in. Adds the segment to `segments`, its commits told
/// up to `end_lsn`. On failure nothing of it is there, unless it cannot be unlinked: then the next
/// start finds a segment whose place a later one has. kNoSpace, kIo.
Result<> publish_first_commit(io::Io io, const std::string& directory, Spare& spare,
                              SegmentHeader& header, Batch& batch, const LogCrc& crc,
                              SegmentSet& segments, uint64_t end_lsn);

/// Writes a PAD at `end_lsn`, the end of the newest segment's last commit, and syncs it: a group
/// that follows says that the one before was durable, and damage to that is not taken for a torn
/// write any more. `file` is that segment, which has a block to spare. The new end. kNoSpace, kIo.
Result<uint64_t> prove_commit(io::Io io, io::File& file, BlockPool& pool,
                              const SegmentHeader& header, const LogCrc& crc, SegmentSet& segments,
                              uint64_t end_lsn);

}  // namespace millrace::buffer
