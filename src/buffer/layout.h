// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of the log, format version 1: where each field of a segment header, a group header and
// a frame header lies. ARCHITECTURE.md ("The buffer on disk") tells the format in prose. All
// integers are little-endian. Values that reach the disk never change their meaning. Does no I/O.
// Any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/crc32c.h"

namespace millrace::buffer {

constexpr uint64_t kBlockBytes = 4096;  // commits and base lsns are multiples of it
constexpr uint64_t kSegmentHeaderBytes = 4096;
constexpr size_t kGroupHeaderBytes = 64;
constexpr size_t kFrameHeaderBytes = 32;
constexpr uint64_t kDataPayloadBytesMax = 1ULL << 20;
constexpr uint64_t kOpenPayloadBytesMax = 64ULL << 10;
constexpr uint32_t kFramesPerChunkMax = 65'536;
constexpr uint32_t kEpochMax = (1U << 24) - 1;
constexpr int kEpochShift = 40;  // chunk_seq = epoch << 40 | counter
constexpr uint64_t kGroupBodyBytesMax = UINT32_MAX - 7;
constexpr uint64_t kNoLsn = ~uint64_t{0};
constexpr uint64_t kLsnMax = uint64_t{1} << 62;  // no base_lsn is higher: sums of lsns do not wrap

constexpr std::string_view kSegmentMagic{"MRACESEG", 8};
constexpr std::string_view kGroupMagic{"MRGP", 4};

enum class GroupType : uint16_t { kAppend = 1, kControl = 2, kMove = 3, kPad = 4 };
enum class FrameKind : uint8_t { kData = 1, kOpen = 2, kSeal = 3 };
enum class TailKind : uint8_t { kNone = 0, kMd5 = 1 };
enum class ChunkKind : uint8_t { kDeliver = 0, kDeadLetter = 1 };
enum class DeadReason : uint8_t {
  kNone = 0,
  kUnmatched = 1,
  kOversize = 2,
  kExpansion = 3,
  kUndecodable = 4
};
enum class SealReason : uint8_t {
  kFull = 1,
  kInterval = 2,
  kImmediate = 3,
  kTimekey = 4,
  kForced = 5,
  kShutdown = 6,
  kRecovery = 7,
  kReclaim = 8
};

constexpr uint16_t kGroupEndsCommit = 1;  // flag of a group
constexpr uint8_t kFrameContinues = 1;    // flag of a DATA frame

constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// CRCs of one log: each covers the 16 bytes of the log's uuid, then the bytes. A copy of another
/// log never validates. Invariant: seed is the CRC of the uuid.
struct LogCrc {
  uint32_t seed = 0;
  static LogCrc of(std::string_view uuid) { return LogCrc{crc32c(uuid)}; }
  uint32_t operator()(std::string_view bytes) const {
    return crc32c_extend(seed, bytes.data(), bytes.size());
  }
};

/// Extends a CRC over the header-CRC fields of frames by one more frame.
uint32_t chain_crc(uint32_t crc, uint32_t frame_header_crc);

constexpr uint64_t kNoKeySeed = 0;  // of headers made by who could not know it: tools

struct SegmentHeader {
  std::string uuid;  // 16 bytes
  uint64_t base_lsn = 0;
  uint32_t epoch = 0;
  uint32_t worker_id = 0;
  uint64_t capacity = 0;
  uint64_t created_us = 0;
  uint64_t key_seed = kNoKeySeed;
  std::string output_id;  // at most 256 bytes
};

enum class HeaderState { kValid, kInvalid, kNewerVersion };

std::string encode(const SegmentHeader& header);  // 4096 bytes
/// Checks magic, version and CRC of the first 4096 bytes of a file; fills `header` if kValid.
HeaderState decode(std::string_view bytes, SegmentHeader& header);

struct GroupHeader {
  uint64_t lsn = 0;
  uint64_t commit_lsn = 0;  // stamped
  uint32_t epoch = 0;       // stamped
  uint32_t body_bytes = 0;
  GroupType type = GroupType::kAppend;
  uint16_t flags = 0;  // stamped
  uint32_t frames = 0;
  uint32_t frames_crc = 0;
  uint32_t built_unix = 0;
  char key[16] = {};  // request key, zero if none

  uint64_t end_lsn() const { return lsn + kGroupHeaderBytes + body_bytes; }
};

/// Writes 64 bytes; magic included, CRC not (see stamp_group).
void encode(const GroupHeader& header, char* out);
/// Sets epoch, commit_lsn, flags and the header CRC in place, just before the write.
void stamp_group(char* header, const LogCrc& crc, uint32_t epoch, uint64_t commit_lsn,
                 uint16_t flags);
/// Reads 64 bytes; true if magic, CRC and reserved bits are right.
bool decode(std::string_view bytes, const LogCrc& crc, GroupHeader& header);

struct FrameHeader {
  FrameKind kind = FrameKind::kData;
  uint8_t flags = 0;
  uint32_t payload_bytes = 0;
  uint64_t chunk_seq = 0;
  uint32_t frame_no = 0;
  uint32_t records = 0;
  uint32_t payload_crc = 0;
  uint32_t header_crc = 0;

  uint64_t padded_bytes() const { return kFrameHeaderBytes + round_up(payload_bytes, 8); }
};

/// Writes 32 bytes and sets header.header_crc.
void encode(FrameHeader& header, const LogCrc& crc, char* out);
/// Reads 32 bytes; true if the CRC, the kind and the reserved bits are right.
bool decode(std::string_view bytes, const LogCrc& crc, FrameHeader& header);

}  // namespace millrace::buffer
