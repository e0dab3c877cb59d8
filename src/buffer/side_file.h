// SPDX-License-Identifier: Apache-2.0
#pragma once

// SideFile: what a segment that was left holds, in one small file beside it (`seg.*.idx`): where
// the frames of each chunk lie, and the request keys. It outlives its segment, so that a message
// whose chunk was delivered long ago is still known when it is sent again after a restart. Written
// once; a bad one costs a scan of the segment. Pure but for scan(), which reads.
// Housekeeping writes them, recovery reads them.
//
// Layout, little-endian:
//   0   8      magic MRIDX1 0 0
//   8   16     uuid of the log
//   24  8 + 8  base_lsn, end_lsn of the segment
//   40  4      epoch
//   44  4      flags: 1 = damage was found in the segment
//   48  4 + 4  chunks, keys
//   56  8      length of the file
//   64         chunks: seq 8, id 16 (zeros: neither OPEN nor SEAL is here), lsn of OPEN here 8, lsn
//   of
//              the last SEAL here 8 (all ones: none), frame bytes here 8, f 4, 0 4; then f DATA
//              frames: lsn 8, frame_no 4, payload length 4, records 4, header CRC 4; none if sealed
//              here 16 each: request keys in lsn order, of valid groups only 4: CRC of all before

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/chunk_id.h"
#include "buffer/layout.h"
#include "buffer/request_key.h"
#include "buffer/segment_set.h"
#include "io/io.h"

namespace millrace::buffer {

constexpr uint64_t kSideFileBytesMax = 64ULL << 20;

struct SideFile {
  struct Frame {
    uint64_t lsn = 0;
    uint32_t frame_no = 0;
    uint32_t payload_bytes = 0;
    uint32_t records = 0;
    uint32_t header_crc = 0;
  };
  struct Chunk {
    uint64_t seq = 0;
    ChunkId id;
    uint64_t open_lsn = kNoLsn;
    uint64_t seal_lsn = kNoLsn;
    uint64_t frame_bytes = 0;
    std::vector<Frame> frames;
  };

  std::string uuid;
  uint64_t base_lsn = 0;
  uint64_t end_lsn = 0;
  uint32_t epoch = 0;
  bool damaged = false;
  std::vector<Chunk> chunks;
  std::vector<RequestKey> keys;
};

/// `seg.<epoch>.<base_lsn>.idx`.
std::string side_file_name(uint32_t epoch, uint64_t base_lsn);
bool is_side_file_name(const std::string& name);
/// True if `name` is that of a side file that was not finished.
bool is_unfinished_side_file_name(const std::string& name);

std::string encode(const SideFile& side);
/// False: not a whole side file. Counts are checked against the length before memory is taken.
bool decode(std::string_view bytes, SideFile& side);

/// The side file of `segment` in `directory`. Nothing: none is there, or it does not hold, is not
/// of this log, or tells of less than the segment has.
std::optional<SideFile> read_side_file(io::FileSystem& files, const std::string& directory,
                                       const Segment& segment, const std::string& uuid);

/// Reads the groups of a segment that is left, headers only.
Result<SideFile> scan(io::File& file, const Segment& segment, const std::string& uuid);

}  // namespace millrace::buffer
