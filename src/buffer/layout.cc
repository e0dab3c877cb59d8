// SPDX-License-Identifier: Apache-2.0
#include "buffer/layout.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/endian.h"

namespace millrace::buffer {
namespace {

constexpr uint16_t kFormatVersion = 1;
constexpr uint8_t kKeyHashXxh3 = 1;
constexpr size_t kOutputIdBytesMax = 256;
constexpr size_t kSegmentCrcOffset = 4092;

}  // namespace

uint32_t chain_crc(uint32_t crc, uint32_t frame_header_crc) {
  char bytes[4];
  store_le<uint32_t>(bytes, frame_header_crc);
  return crc32c_extend(crc, bytes, sizeof bytes);
}

std::string encode(const SegmentHeader& header) {
  CHECK(header.uuid.size() == 16 && header.output_id.size() <= kOutputIdBytesMax);
  CHECK(header.base_lsn % kBlockBytes == 0 && header.epoch >= 1 && header.epoch <= kEpochMax);
  std::string bytes(kSegmentHeaderBytes, '\0');
  char* p = bytes.data();
  std::memcpy(p, kSegmentMagic.data(), 8);
  store_le<uint16_t>(p + 8, kFormatVersion);
  store_le<uint16_t>(p + 10, kFormatVersion);
  store_le<uint32_t>(p + 12, kSegmentHeaderBytes);
  std::memcpy(p + 16, header.uuid.data(), 16);
  store_le<uint64_t>(p + 32, header.base_lsn);
  store_le<uint32_t>(p + 40, header.epoch);
  store_le<uint32_t>(p + 44, header.worker_id);
  store_le<uint64_t>(p + 48, header.capacity);
  store_le<uint64_t>(p + 56, header.created_us);
  store_le<uint64_t>(p + 64, header.key_seed);
  p[72] = kKeyHashXxh3;
  store_le<uint16_t>(p + 74, static_cast<uint16_t>(header.output_id.size()));
  std::copy(header.output_id.begin(), header.output_id.end(), p + 76);
  const LogCrc crc = LogCrc::of(header.uuid);
  store_le<uint32_t>(p + kSegmentCrcOffset, crc({p, kSegmentCrcOffset}));
  return bytes;
}

HeaderState decode(std::string_view bytes, SegmentHeader& header) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, 8) != kSegmentMagic) {
    return HeaderState::kInvalid;
  }
  const char* p = bytes.data();
  const LogCrc crc = LogCrc::of(bytes.substr(16, 16));
  if (load_le<uint32_t>(p + kSegmentCrcOffset) != crc(bytes.substr(0, kSegmentCrcOffset))) {
    return HeaderState::kInvalid;
  }
  if (load_le<uint16_t>(p + 10) > kFormatVersion) return HeaderState::kNewerVersion;
  const size_t id_bytes = load_le<uint16_t>(p + 74);
  header.base_lsn = load_le<uint64_t>(p + 32);
  header.epoch = load_le<uint32_t>(p + 40);
  if (load_le<uint32_t>(p + 12) != kSegmentHeaderBytes || id_bytes > kOutputIdBytesMax ||
      header.base_lsn % kBlockBytes != 0 || header.base_lsn > kLsnMax || header.epoch < 1 ||
      header.epoch > kEpochMax) {
    return HeaderState::kInvalid;
  }
  header.uuid = bytes.substr(16, 16);
  header.worker_id = load_le<uint32_t>(p + 44);
  header.capacity = load_le<uint64_t>(p + 48);
  header.created_us = load_le<uint64_t>(p + 56);
  header.key_seed = load_le<uint64_t>(p + 64);
  header.output_id = bytes.substr(76, id_bytes);
  return HeaderState::kValid;
}

void encode(const GroupHeader& header, char* out) {
  CHECK(header.body_bytes % 8 == 0 && header.lsn % 8 == 0);
  std::memcpy(out, kGroupMagic.data(), 4);
  store_le<uint32_t>(out + 4, 0);
  store_le<uint64_t>(out + 8, header.lsn);
  store_le<uint64_t>(out + 16, header.commit_lsn);
  store_le<uint32_t>(out + 24, header.epoch);
  store_le<uint32_t>(out + 28, header.body_bytes);
  store_le<uint16_t>(out + 32, static_cast<uint16_t>(header.type));
  store_le<uint16_t>(out + 34, header.flags);
  store_le<uint32_t>(out + 36, header.frames);
  store_le<uint32_t>(out + 40, header.frames_crc);
  store_le<uint32_t>(out + 44, header.built_unix);
  std::memcpy(out + 48, header.key, 16);
}

void stamp_group(char* header, const LogCrc& crc, uint32_t epoch, uint64_t commit_lsn,
                 uint16_t flags) {
  store_le<uint64_t>(header + 16, commit_lsn);
  store_le<uint32_t>(header + 24, epoch);
  store_le<uint16_t>(header + 34, flags);
  store_le<uint32_t>(header + 4, crc({header + 8, kGroupHeaderBytes - 8}));
}

bool decode(std::string_view bytes, const LogCrc& crc, GroupHeader& header) {
  if (bytes.size() < kGroupHeaderBytes || bytes.substr(0, 4) != kGroupMagic) return false;
  const char* p = bytes.data();
  if (load_le<uint32_t>(p + 4) != crc(bytes.substr(8, kGroupHeaderBytes - 8))) return false;
  const auto type = load_le<uint16_t>(p + 32);
  header.flags = load_le<uint16_t>(p + 34);
  header.body_bytes = load_le<uint32_t>(p + 28);
  if (type < 1 || type > 4 || (header.flags & ~kGroupEndsCommit) != 0 ||
      header.body_bytes % 8 != 0) {
    return false;
  }
  header.type = static_cast<GroupType>(type);
  header.lsn = load_le<uint64_t>(p + 8);
  header.commit_lsn = load_le<uint64_t>(p + 16);
  header.epoch = load_le<uint32_t>(p + 24);
  header.frames = load_le<uint32_t>(p + 36);
  header.frames_crc = load_le<uint32_t>(p + 40);
  header.built_unix = load_le<uint32_t>(p + 44);
  std::memcpy(header.key, p + 48, 16);
  return header.commit_lsn <= header.lsn && header.commit_lsn % kBlockBytes == 0;
}

void encode(FrameHeader& header, const LogCrc& crc, char* out) {
  CHECK(header.kind != FrameKind::kData || header.payload_bytes <= kDataPayloadBytesMax);
  out[0] = static_cast<char>(header.kind);
  out[1] = static_cast<char>(header.flags);
  store_le<uint16_t>(out + 2, 0);
  store_le<uint32_t>(out + 4, header.payload_bytes);
  store_le<uint64_t>(out + 8, header.chunk_seq);
  store_le<uint32_t>(out + 16, header.frame_no);
  store_le<uint32_t>(out + 20, header.records);
  store_le<uint32_t>(out + 24, header.payload_crc);
  header.header_crc = crc({out, 28});
  store_le<uint32_t>(out + 28, header.header_crc);
}

bool decode(std::string_view bytes, const LogCrc& crc, FrameHeader& header) {
  if (bytes.size() < kFrameHeaderBytes) return false;
  const char* p = bytes.data();
  const auto kind = static_cast<uint8_t>(p[0]);
  header.flags = static_cast<uint8_t>(p[1]);
  if (kind < 1 || kind > 3 || (header.flags & ~kFrameContinues) != 0 ||
      load_le<uint16_t>(p + 2) != 0) {
    return false;
  }
  header.header_crc = load_le<uint32_t>(p + 28);
  if (header.header_crc != crc(bytes.substr(0, 28))) return false;
  header.kind = static_cast<FrameKind>(kind);
  header.payload_bytes = load_le<uint32_t>(p + 4);
  header.chunk_seq = load_le<uint64_t>(p + 8);
  header.frame_no = load_le<uint32_t>(p + 16);
  header.records = load_le<uint32_t>(p + 20);
  header.payload_crc = load_le<uint32_t>(p + 24);
  return header.kind != FrameKind::kData || header.payload_bytes <= kDataPayloadBytesMax;
}

}  // namespace millrace::buffer
