// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text of the position file: one header block, then lines of exactly 80 bytes. Lines are facts
// that never become untrue: a chunk is finished (C, S, D, X), has been tried (R), a range of the
// log was removed on purpose (G). ARCHITECTURE.md tells the format. Does no I/O. Any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/chunk_id.h"
#include "buffer/layout.h"

namespace millrace::buffer {

constexpr uint64_t kPositionHeaderBytes = 4096;
constexpr uint64_t kPositionLineBytes = 80;
constexpr uint64_t kPositionStepBytes = 1ULL << 20;  // the file is reserved in such steps
constexpr uint64_t kPositionFileBytesMax = 1ULL << 30;

/// What became of a chunk.
enum class Finish : char {
  kDelivered = 'C',
  kSecondary = 'S',
  kDeadLetter = 'D',
  kDropped = 'X',
};

struct PositionHeader {
  std::string uuid;  // 16 bytes
  uint32_t highest_epoch = 0;
  uint64_t highest_chunk_seq = 0;
  uint64_t first_lsn = 0;  // first lsn not removed when the file was begun
};

struct PositionLine {
  char kind = 0;              // C S D X R G
  uint64_t chunk_seq = 0;     // G: base_lsn
  ChunkId id{};               // G: epoch, then end_lsn, as one number of 32 digits
  uint32_t attempts = 0;      // at most 0xffff on disk
  uint64_t milliseconds = 0;  // unix ms; R: elapsed running time

  uint64_t removed_epoch() const;
  uint64_t removed_end_lsn() const;
};

PositionLine make_removed_line(uint64_t base_lsn, uint32_t epoch, uint64_t end_lsn,
                               uint64_t unix_ms);

std::string encode(const PositionHeader& header);                 // 4096 bytes
bool decode(std::string_view block, PositionHeader& header);      // checks the CRC by its own uuid
std::string encode(const PositionLine& line, const LogCrc& crc);  // 80 bytes
bool decode(std::string_view slot, const LogCrc& crc, PositionLine& line);

}  // namespace millrace::buffer
