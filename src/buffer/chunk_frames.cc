// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_frames.h"

#include "base/check.h"
#include "base/endian.h"

namespace millrace::buffer {
namespace {

constexpr size_t kSealFixedBytes = 36;
constexpr size_t kPartitionKeyBytesMax = 1024;

template <class T>
void append(std::string& out, T value) {
  char bytes[sizeof(T)];
  store_le<T>(bytes, value);
  out.append(bytes, sizeof bytes);
}

template <class Length>
void append_text(std::string& out, std::string_view text) {
  append<Length>(out, static_cast<Length>(text.size()));
  out.append(text);
}

// Reads forward through untrusted bytes; `good` turns false at the first length that does not fit.
struct Reader {
  std::string_view left;
  bool good = true;

  template <class T>
  T number() {
    if (left.size() < sizeof(T)) {
      good = false;
      return 0;
    }
    const T value = load_le<T>(left.data());
    left.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view bytes(size_t size) {
    if (left.size() < size) {
      good = false;
      return {};
    }
    const std::string_view taken = left.substr(0, size);
    left.remove_prefix(size);
    return taken;
  }
  template <class Length>
  std::string_view text() {
    const Length size = number<Length>();
    return bytes(size);
  }
};

}  // namespace

// Of the fields of fixed size, and the lengths before head, key and metadata.
constexpr uint64_t kOpenFixedBytes = 16 + 8 + 4 + 4 + 2 + 2;

bool fits(const OpenPayload& open) {
  uint64_t bytes = kOpenFixedBytes + open.head.size() + open.partition_key.size();
  for (const auto& [key, value] : open.metadata) {
    if (key.size() > UINT16_MAX) return false;
    bytes += 6 + key.size() + value.size();
  }
  return open.partition_key.size() <= kPartitionKeyBytesMax && open.metadata.size() <= UINT16_MAX &&
         bytes <= kOpenPayloadBytesMax;
}

std::string encode(const OpenPayload& open) {
  CHECK(fits(open));
  std::string out(open.id.view());
  append<uint64_t>(out, open.created_us);
  out.push_back(static_cast<char>(open.payload_format));
  out.push_back(static_cast<char>(open.tail));
  out.push_back(static_cast<char>(open.kind));
  out.push_back(static_cast<char>(open.dead_reason));
  append_text<uint32_t>(out, open.head);
  append_text<uint16_t>(out, open.partition_key);
  append<uint16_t>(out, static_cast<uint16_t>(open.metadata.size()));
  for (const auto& [key, value] : open.metadata) {
    append_text<uint16_t>(out, key);
    append_text<uint32_t>(out, value);
  }
  return out;
}

bool decode(std::string_view bytes, OpenPayload& open) {
  if (bytes.size() > kOpenPayloadBytesMax) return false;
  Reader in{bytes};
  const std::string_view id = in.bytes(16);
  if (!in.good) return false;
  open.id = ChunkId::from_bytes(id);
  open.created_us = in.number<uint64_t>();
  open.payload_format = in.number<uint8_t>();
  const auto tail = in.number<uint8_t>();
  const auto kind = in.number<uint8_t>();
  const auto reason = in.number<uint8_t>();
  open.head = in.text<uint32_t>();
  open.partition_key = in.text<uint16_t>();
  const auto pairs = in.number<uint16_t>();
  open.metadata.clear();
  for (uint16_t i = 0; i < pairs && in.good; ++i) {
    const std::string_view key = in.text<uint16_t>();
    const std::string_view value = in.text<uint32_t>();
    open.metadata.emplace_back(key, value);
  }
  if (!in.good || !in.left.empty() || tail > 1 || kind > 1 || reason > 4) return false;
  open.tail = static_cast<TailKind>(tail);
  open.kind = static_cast<ChunkKind>(kind);
  open.dead_reason = static_cast<DeadReason>(reason);
  return open.partition_key.size() <= kPartitionKeyBytesMax;
}

uint64_t seal_payload_bytes(size_t open_bytes, size_t frames) {
  return round_up(kSealFixedBytes + 4 + open_bytes, 8) + 8 * frames;
}

std::string encode(const SealPayload& seal, std::string_view open_bytes) {
  CHECK(!seal.frame_lsns.empty() && seal.frame_lsns.size() <= kFramesPerChunkMax);
  std::string out;
  out.reserve(seal_payload_bytes(open_bytes.size(), seal.frame_lsns.size()));
  append<uint64_t>(out, seal.body_bytes);
  append<uint64_t>(out, seal.records);
  append<uint64_t>(out, seal.sealed_us);
  append<uint32_t>(out, static_cast<uint32_t>(seal.frame_lsns.size()));
  append<uint32_t>(out, seal.chunk_crc);
  out.push_back(static_cast<char>(seal.reason));
  out.append(3, '\0');
  append_text<uint32_t>(out, open_bytes);
  out.resize(round_up(out.size(), 8), '\0');
  for (const uint64_t lsn : seal.frame_lsns) {
    append<uint64_t>(out, lsn);
  }
  return out;
}

bool decode(std::string_view bytes, SealPayload& seal) {
  Reader in{bytes};
  seal.body_bytes = in.number<uint64_t>();
  seal.records = in.number<uint64_t>();
  seal.sealed_us = in.number<uint64_t>();
  const auto frames = in.number<uint32_t>();
  seal.chunk_crc = in.number<uint32_t>();
  const auto reason = in.number<uint8_t>();
  in.bytes(3);
  const auto open_bytes = in.number<uint32_t>();
  if (!in.good || open_bytes > kOpenPayloadBytesMax || frames < 1 || frames > kFramesPerChunkMax ||
      reason < 1 || reason > 8 || seal.body_bytes > frames * kDataPayloadBytesMax ||
      bytes.size() != seal_payload_bytes(open_bytes, frames)) {
    return false;
  }
  seal.reason = static_cast<SealReason>(reason);
  if (!decode(in.bytes(open_bytes), seal.open)) return false;
  in.left = bytes.substr(bytes.size() - size_t{8} * frames);
  seal.frame_lsns.clear();
  seal.frame_lsns.reserve(frames);
  for (uint32_t i = 0; i < frames; ++i) {
    seal.frame_lsns.push_back(in.number<uint64_t>());
  }
  return true;
}

}  // namespace millrace::buffer
