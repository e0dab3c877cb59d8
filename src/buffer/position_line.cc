// SPDX-License-Identifier: Apache-2.0
#include "buffer/position_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/encoding.h"
#include "base/endian.h"

namespace millrace::buffer {
namespace {

constexpr std::string_view kHeaderMagic = "MRPOS1 ";
// "MRPOS1 " uuid(32) ' ' epoch(8) ' ' seq(16) ' ' lsn(16) ' ' crc(8)
constexpr size_t kHeaderTextBytes = 7 + 32 + 1 + 8 + 1 + 16 + 1 + 16 + 1;
constexpr size_t kLineCrcOffset = 71;  // up to and with the space before the CRC

bool number(std::string_view text, int base, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  const bool upper =
      std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; });
  return error == std::errc() && end == text.data() + text.size() && !upper;
}

bool crc_field(std::string_view text, uint32_t expected) {
  uint64_t value = 0;
  return number(text, 16, value) && value == expected;
}

}  // namespace

uint64_t PositionLine::removed_epoch() const { return load_be<uint64_t>(id.bytes.data()); }

uint64_t PositionLine::removed_end_lsn() const { return load_be<uint64_t>(id.bytes.data() + 8); }

PositionLine make_removed_line(uint64_t base_lsn, uint32_t epoch, uint64_t end_lsn,
                               uint64_t unix_ms) {
  PositionLine line{.kind = 'G', .chunk_seq = base_lsn, .milliseconds = unix_ms};
  store_be<uint64_t>(line.id.bytes.data(), epoch);
  store_be<uint64_t>(line.id.bytes.data() + 8, end_lsn);
  return line;
}

std::string encode(const PositionHeader& header) {
  CHECK(header.uuid.size() == 16);
  std::string text =
      fmt::format("{}{} {:08x} {:016x} {:016x} ", kHeaderMagic, hex_encode(header.uuid),
                  header.highest_epoch, header.highest_chunk_seq, header.first_lsn);
  CHECK(text.size() == kHeaderTextBytes);
  text += fmt::format("{:08x}", LogCrc::of(header.uuid)(text));
  text.resize(kPositionHeaderBytes - 1, ' ');
  text.push_back('\n');
  return text;
}

bool decode(std::string_view block, PositionHeader& header) {
  if (block.size() < kHeaderTextBytes + 8 || !block.starts_with(kHeaderMagic)) return false;
  const auto uuid = hex_decode(block.substr(7, 32));
  uint64_t epoch = 0;
  if (!uuid || !crc_field(block.substr(kHeaderTextBytes, 8),
                          LogCrc::of(*uuid)(block.substr(0, kHeaderTextBytes)))) {
    return false;
  }
  header.uuid = *uuid;
  if (!number(block.substr(40, 8), 16, epoch) ||
      !number(block.substr(49, 16), 16, header.highest_chunk_seq) ||
      !number(block.substr(66, 16), 16, header.first_lsn)) {
    return false;
  }
  header.highest_epoch = static_cast<uint32_t>(epoch);
  return true;
}

std::string encode(const PositionLine& line, const LogCrc& crc) {
  std::string text = fmt::format("{} {:016x} {} {:04x} {:013d} ", line.kind, line.chunk_seq,
                                 line.id.hex(), std::min<uint32_t>(line.attempts, 0xffff),
                                 line.milliseconds % 10'000'000'000'000);
  CHECK(text.size() == kLineCrcOffset);
  text += fmt::format("{:08x}\n", crc(text));
  return text;
}

bool decode(std::string_view slot, const LogCrc& crc, PositionLine& line) {
  if (slot.size() != kPositionLineBytes || slot.back() != '\n' ||
      std::string_view("CSDXRG").find(slot[0]) == std::string_view::npos) {
    return false;
  }
  uint64_t attempts = 0;
  if (!crc_field(slot.substr(kLineCrcOffset, 8), crc(slot.substr(0, kLineCrcOffset)))) return false;
  const auto id = hex_decode(slot.substr(19, 32));
  if (!id || !number(slot.substr(2, 16), 16, line.chunk_seq) ||
      !number(slot.substr(52, 4), 16, attempts) ||
      !number(slot.substr(57, 13), 10, line.milliseconds)) {
    return false;
  }
  line.kind = slot[0];
  line.id = ChunkId::from_bytes(*id);
  line.attempts = static_cast<uint32_t>(attempts);
  return true;
}

}  // namespace millrace::buffer
