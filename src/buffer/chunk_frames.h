// SPDX-License-Identifier: Apache-2.0
#pragma once

// The payloads of a chunk's OPEN and SEAL frames. OPEN fixes everything of a delivery but the body:
// id, head, partition key, kind of tail. SEAL repeats it and lists the DATA frames, so that a SEAL
// alone is enough to send the chunk. Opaque to the buffer: payload_format, head, key.
// Does no I/O. Any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/chunk_id.h"
#include "buffer/layout.h"

namespace millrace::buffer {

/// Text pairs that all records of a chunk share: `tag`, time key, chunk keys. In the order given.
using Metadata = std::vector<std::pair<std::string, std::string>>;

struct OpenPayload {
  ChunkId id;
  uint64_t created_us = 0;
  uint8_t payload_format = 5;  // 1 KPL index 0, 2 KPL index 1, 3 keyed records, 4 msgpack, 5 opaque
  TailKind tail = TailKind::kNone;
  ChunkKind kind = ChunkKind::kDeliver;
  DeadReason dead_reason = DeadReason::kNone;
  std::string head;           // the bytes sent before the body
  std::string partition_key;  // at most 1024 bytes
  Metadata metadata;
};

constexpr uint8_t kFormatKplIndex0 = 1;
constexpr uint8_t kFormatKplIndex1 = 2;
constexpr uint8_t kFormatMsgpackEntries = 4;
constexpr uint8_t kFormatOpaque = 5;

/// True if it has room in an OPEN frame.
bool fits(const OpenPayload& open);
/// Of one that fits (CHECKed; callers bound what goes in).
std::string encode(const OpenPayload& open);
/// False if a length passes the end or a field has no meaning.
bool decode(std::string_view bytes, OpenPayload& open);

struct SealPayload {
  uint64_t body_bytes = 0;
  uint64_t records = 0;
  uint64_t sealed_us = 0;
  uint32_t chunk_crc = 0;  // over the header CRCs of the DATA frames in order
  SealReason reason = SealReason::kFull;
  OpenPayload open;
  std::vector<uint64_t> frame_lsns;  // of each DATA frame by frame_no; kNoLsn: missing
};

/// `open_bytes` is the encoded OPEN payload, as it stands in the OPEN frame.
std::string encode(const SealPayload& seal, std::string_view open_bytes);
bool decode(std::string_view bytes, SealPayload& seal);

/// Bytes that a SEAL payload with `frames` DATA frames takes.
uint64_t seal_payload_bytes(size_t open_bytes, size_t frames);

}  // namespace millrace::buffer
