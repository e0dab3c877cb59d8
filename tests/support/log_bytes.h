// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of a segment, put down from the description of the format alone (ARCHITECTURE.md, "The
// buffer on disk", and the example of layout_example_test.cc) with no code of src/buffer, so that
// what its readers must find is known from elsewhere. Takes values as they are given, right or not,
// and checks nothing. Only the CRC-32C is the product's, which its own tests judge.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crc32c.h"

namespace millrace::testing {

constexpr uint64_t kNowhere = ~uint64_t{0};  // instead of an lsn

inline void put_le(std::string& out, uint64_t value, size_t bytes) {
  for (; bytes > 0; --bytes, value >>= 8) out.push_back(static_cast<char>(value & 255));
}

inline void put_text(std::string& out, std::string_view text, size_t length_bytes) {
  put_le(out, text.size(), length_bytes);
  out += text;
}

inline void pad_to_unit(std::string& out, size_t unit) {
  out.resize((out.size() + unit - 1) / unit * unit, '\0');
}

/// CRC-32C of the log's uuid and then of `bytes`.
inline uint32_t crc_in_log(std::string_view uuid, std::string_view bytes) {
  return crc32c_extend(crc32c(uuid), bytes.data(), bytes.size());
}

struct SegmentHeaderFields {
  std::string uuid;
  uint64_t base_lsn = 0;
  uint32_t epoch = 1;
  uint32_t worker_id = 0;
  uint64_t capacity = 0;
  uint64_t created_us = 0;
  uint64_t key_seed = 0;
  std::string output_id;
  uint16_t reader_version = 1;
};

inline std::string bytes_of(const SegmentHeaderFields& header) {
  std::string out = "MRACESEG";
  put_le(out, 1, 2);
  put_le(out, header.reader_version, 2);
  put_le(out, 4096, 4);
  out += header.uuid;
  put_le(out, header.base_lsn, 8);
  put_le(out, header.epoch, 4);
  put_le(out, header.worker_id, 4);
  put_le(out, header.capacity, 8);
  put_le(out, header.created_us, 8);
  put_le(out, header.key_seed, 8);
  put_le(out, 1, 2);  // XXH3
  put_text(out, header.output_id, 2);
  out.resize(4092, '\0');
  put_le(out, crc_in_log(header.uuid, out), 4);
  return out;
}

struct OpenFields {
  std::string id;  // 16 bytes
  uint64_t created_us = 0;
  uint8_t payload_format = 5;
  uint8_t tail = 0;
  uint8_t kind = 0;
  uint8_t dead_reason = 0;
  std::string head;
  std::string partition_key;
  std::vector<std::pair<std::string, std::string>> metadata;
};

inline std::string bytes_of(const OpenFields& open) {
  std::string out = open.id;
  put_le(out, open.created_us, 8);
  for (const uint8_t field : {open.payload_format, open.tail, open.kind, open.dead_reason}) {
    put_le(out, field, 1);
  }
  put_text(out, open.head, 4);
  put_text(out, open.partition_key, 2);
  put_le(out, open.metadata.size(), 2);
  for (const auto& [key, value] : open.metadata) {
    put_text(out, key, 2);
    put_text(out, value, 4);
  }
  return out;
}

struct SealFields {
  uint64_t body_bytes = 0;
  uint64_t records = 0;
  uint64_t sealed_us = 0;
  std::string frame_crcs;  // the header CRCs of the DATA frames, 4 bytes each
  uint8_t reason = 1;
  std::string open;  // its bytes
  std::vector<uint64_t> frame_lsns;
};

inline std::string bytes_of(const SealFields& seal, std::string_view uuid) {
  std::string out;
  put_le(out, seal.body_bytes, 8);
  put_le(out, seal.records, 8);
  put_le(out, seal.sealed_us, 8);
  put_le(out, seal.frame_lsns.size(), 4);
  put_le(out, crc_in_log(uuid, seal.frame_crcs), 4);
  put_le(out, seal.reason, 4);
  put_text(out, seal.open, 4);
  pad_to_unit(out, 8);
  for (const uint64_t lsn : seal.frame_lsns) put_le(out, lsn, 8);
  return out;
}

struct WrittenFrame {
  uint8_t kind = 1;  // 1 DATA, 2 OPEN, 3 SEAL
  uint64_t chunk_seq = 0;
  uint32_t frame_no = 0;
  uint32_t records = 0;
  std::string payload;
  uint64_t lsn = 0;         // set when it is put down
  uint32_t header_crc = 0;  // likewise

  uint64_t payload_lsn() const { return lsn + 32; }
  uint64_t end_lsn() const { return lsn + 32 + (payload.size() + 7) / 8 * 8; }
};

struct WrittenGroup {
  uint64_t type = 1;  // 1 APPEND, 2 CONTROL, 3 MOVE, 4 PAD
  std::string key = std::string(16, '\0');
  uint64_t built = 0;
  std::vector<WrittenFrame> frames;
  uint64_t lsn = 0;  // what follows is set when it is put down
  uint64_t commit_lsn = 0;
  bool ends_commit = false;
  uint64_t end_lsn = 0;   // behind its frames
  uint64_t next_lsn = 0;  // behind the padding of its commit too
};

/// The groups of a segment, one frame after the other.
class WrittenSegment {
 public:
  explicit WrittenSegment(SegmentHeaderFields header) : header_(std::move(header)) {}

  uint64_t end_lsn() const { return header_.base_lsn + body_.size(); }
  const SegmentHeaderFields& header() const { return header_; }
  const std::vector<WrittenGroup>& groups() const { return groups_; }
  /// Where a byte of the log lies in the file.
  uint64_t offset_of(uint64_t lsn) const { return 4096 + lsn - header_.base_lsn; }

  void begin_group(uint64_t type, std::string key, uint64_t built) {
    const bool goes_on = !groups_.empty() && !groups_.back().ends_commit;
    const uint64_t commit_lsn = goes_on ? groups_.back().commit_lsn : end_lsn();
    groups_.push_back(WrittenGroup{.type = type,
                                   .key = std::move(key),
                                   .built = built,
                                   .frames = {},
                                   .lsn = end_lsn(),
                                   .commit_lsn = commit_lsn});
    body_.append(64, '\0');
  }

  const WrittenFrame& put_frame(WrittenFrame frame) {
    frame.lsn = end_lsn();
    std::string head;
    put_le(head, frame.kind, 4);  // flags and reserved bytes are 0
    put_le(head, frame.payload.size(), 4);
    put_le(head, frame.chunk_seq, 8);
    put_le(head, frame.frame_no, 4);
    put_le(head, frame.records, 4);
    put_le(head, crc_in_log(header_.uuid, frame.payload), 4);
    frame.header_crc = crc_in_log(header_.uuid, head);
    put_le(head, frame.header_crc, 4);
    body_ += head + frame.payload;
    pad_to_unit(body_, 8);
    groups_.back().frames.push_back(std::move(frame));
    return groups_.back().frames.back();
  }

  void end_group(bool ends_commit) {
    WrittenGroup& group = groups_.back();
    group.ends_commit = ends_commit;
    group.end_lsn = end_lsn();
    std::string crcs;
    for (const WrittenFrame& frame : group.frames) put_le(crcs, frame.header_crc, 4);
    std::string covered;
    put_le(covered, group.lsn, 8);
    put_le(covered, group.commit_lsn, 8);
    put_le(covered, header_.epoch, 4);
    put_le(covered, group.end_lsn - group.lsn - 64, 4);
    put_le(covered, group.type, 2);
    put_le(covered, ends_commit ? 1 : 0, 2);
    put_le(covered, group.frames.size(), 4);
    put_le(covered, crc_in_log(header_.uuid, crcs), 4);
    put_le(covered, group.built, 4);
    covered += group.key;
    std::string head = "MRGP";
    put_le(head, crc_in_log(header_.uuid, covered), 4);
    body_.replace(group.lsn - header_.base_lsn, 64, head + covered);
    if (ends_commit) pad_to_unit(body_, 4096);
    group.next_lsn = end_lsn();
  }

  /// The whole file, with so many bytes that were reserved and not written.
  std::string file(uint64_t reserved_bytes) {
    header_.capacity = 4096 + body_.size() + reserved_bytes;
    return bytes_of(header_) + body_ + std::string(reserved_bytes, '\0');
  }

 private:
  SegmentHeaderFields header_;
  std::string body_;
  std::vector<WrittenGroup> groups_;
};

}  // namespace millrace::testing
