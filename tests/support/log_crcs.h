// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes the CRCs of a log's bytes right again, for fuzzers: what only a forger or a faulty writer
// could have put there then gets past the checks.

#include <algorithm>
#include <string>
#include <string_view>

#include "base/endian.h"
#include "buffer/layout.h"
#include "buffer/position_line.h"

namespace millrace::testing {

/// Of a segment's header, if its magic stands there. Segment headers are 4096 bytes.
inline void forge_segment_header(std::string& file, const buffer::LogCrc& crc) {
  using namespace buffer;
  if (file.size() < kSegmentHeaderBytes || !file.starts_with(kSegmentMagic)) return;
  store_le<uint32_t>(file.data() + 4092, crc(std::string_view(file).substr(0, 4092)));
}

/// Of the group at `at`, whose frames are taken as their lengths have them.
inline void forge_group(std::string& file, size_t at, const buffer::LogCrc& crc) {
  using namespace buffer;
  char* const header = file.data() + at;
  const uint64_t body = load_le<uint32_t>(header + 28);
  const size_t end = std::min<uint64_t>(file.size(), at + kGroupHeaderBytes + body);
  uint32_t chain = crc.seed;
  for (size_t frame = at + kGroupHeaderBytes; frame + kFrameHeaderBytes <= end;) {
    char* const p = file.data() + frame;
    const uint64_t payload = load_le<uint32_t>(p + 4);
    if (payload > end - frame - kFrameHeaderBytes) break;
    store_le<uint32_t>(p + 24, crc({p + kFrameHeaderBytes, payload}));
    store_le<uint32_t>(p + 28, crc({p, 28}));
    chain = chain_crc(chain, load_le<uint32_t>(p + 28));
    frame += kFrameHeaderBytes + round_up(payload, 8);
  }
  store_le<uint32_t>(header + 40, chain);
  store_le<uint32_t>(header + 4, crc({header + 8, kGroupHeaderBytes - 8}));
}

inline void forge_segment(std::string& file, const buffer::LogCrc& crc) {
  using namespace buffer;
  forge_segment_header(file, crc);
  for (size_t at = kSegmentHeaderBytes; at + kGroupHeaderBytes <= file.size(); at += 8) {
    if (std::string_view(file).substr(at, 4) == kGroupMagic) forge_group(file, at, crc);
  }
}

/// Of every line of a position file, and of its header if it has the uuid's 32 digits.
inline void forge_position_file(std::string& file, const buffer::LogCrc& crc) {
  using namespace buffer;
  constexpr size_t kCoveredOfHeader = 7 + 33 + 9 + 17 + 17;
  constexpr size_t kCoveredOfLine = 71;
  const auto put = [&](size_t from, size_t bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    const uint32_t value = crc(std::string_view(file).substr(from, bytes));
    for (size_t i = 0; i < 8; ++i) {
      file[from + bytes + i] = kDigits[value >> (28 - 4 * i) & 15];
    }
  };
  if (file.size() >= kCoveredOfHeader + 8) put(0, kCoveredOfHeader);
  for (size_t at = kPositionHeaderBytes; at + kPositionLineBytes <= file.size();
       at += kPositionLineBytes) {
    if (file[at] == '\0') continue;
    put(at, kCoveredOfLine);
    file[at + kPositionLineBytes - 1] = '\n';
  }
}

}  // namespace millrace::testing
