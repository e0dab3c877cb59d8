// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of a position file, put down from the description of the format alone, with no code of
// src/buffer (log_bytes.h tells why).

#include <cstdio>

#include "base/encoding.h"
#include "tests/support/log_bytes.h"

namespace millrace::testing {

/// Header block of a position file.
inline std::string position_header(std::string_view uuid, uint64_t epoch, uint64_t chunk_seq,
                                   uint64_t first_lsn) {
  char numbers[64];
  std::snprintf(numbers, sizeof numbers, " %08llx %016llx %016llx ",
                static_cast<unsigned long long>(epoch), static_cast<unsigned long long>(chunk_seq),
                static_cast<unsigned long long>(first_lsn));
  std::string out = "MRPOS1 " + hex_encode(uuid) + numbers;
  char crc[16];
  std::snprintf(crc, sizeof crc, "%08x", crc_in_log(uuid, out));
  out += crc;
  out.resize(4095, ' ');
  return out + "\n";
}

/// One line of 80 bytes. `seq`: base_lsn of a G line, whose id is its epoch and its end_lsn.
inline std::string position_line(std::string_view uuid, char kind, uint64_t seq,
                                 std::string_view id, uint64_t attempts, uint64_t milliseconds) {
  char numbers[64];
  std::snprintf(numbers, sizeof numbers, "%c %016llx ", kind, static_cast<unsigned long long>(seq));
  std::string out = numbers + hex_encode(id);
  std::snprintf(numbers, sizeof numbers, " %04llx %013llu ",
                static_cast<unsigned long long>(attempts),
                static_cast<unsigned long long>(milliseconds));
  out += numbers;
  std::snprintf(numbers, sizeof numbers, "%08x\n", crc_in_log(uuid, out));
  return out + numbers;
}

}  // namespace millrace::testing
