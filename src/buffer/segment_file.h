// SPDX-License-Identifier: Apache-2.0
#pragma once

// Making segment files: a spare with its blocks reserved, and its way to a name that counts. A
// spare belongs to the process that made it; one found at start is unlinked. Does not choose lsns.
// Invariant: a file that has its final name holds a header and at least one commit, all durable.
// The commit thread publishes, housekeeping makes spares; no state of its own.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "buffer/layout.h"
#include "buffer/segment_set.h"
#include "io/io.h"

namespace millrace::buffer {

constexpr uint64_t kFirstSegmentBytes = 4ULL << 20;
constexpr uint64_t kSegmentBytesMax = 64ULL << 20;
constexpr uint64_t kShrinkStepBytes = 512ULL << 10;

std::string segment_name(uint32_t epoch, uint64_t base_lsn);
bool parse_segment_name(const std::string& name, uint32_t& epoch, uint64_t& base_lsn);
bool is_spare_name(const std::string& name);

struct Spare {
  std::string path;
  std::unique_ptr<io::File> file;
  uint64_t capacity = 0;  // bytes of the file, header included
};

/// Creates `<directory>/spare.<number>` with `wished_bytes` of real blocks, synced; on a disk that
/// is nearly full with half of that, and so on, but never with less than `least_bytes`. Where the
/// file system cannot reserve, zeros are written. On failure nothing is left behind.
Result<Spare> make_spare(io::FileSystem& files, const std::string& directory, uint64_t number,
                         uint64_t wished_bytes, uint64_t least_bytes);

/// Writes header and `content` into the spare, syncs, renames it to its final name, syncs the
/// directory. Only when this returns are the bytes durable. The file may have been extended.
Result<> publish_segment(io::FileSystem& files, const std::string& directory, Spare& spare,
                         const SegmentHeader& header, std::span<const iovec> content);

/// Gives a spare that was not written to `bytes` of real blocks, synced. On failure it keeps those
/// it has.
Result<> grow_spare(Spare& spare, uint64_t bytes);

/// Cuts a segment that was left to its end, and syncs it.
Result<> cut_to_end(io::FileSystem& files, const std::string& directory, const Segment& segment);

/// Cuts a file that is longer to `bytes`, a step at a time: a file system frees the blocks of a
/// call in one go, and syncs of other files wait for it meanwhile (64 MiB: 15 to 20 ms on ext4).
/// With an error, or a crash in its midst, the file has any size between.
Result<> shrink(io::File& file, uint64_t bytes);

}  // namespace millrace::buffer
