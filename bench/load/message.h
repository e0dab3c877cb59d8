// SPDX-License-Identifier: Apache-2.0
#pragma once

// Message: one PackedForward message of events shaped like bench/data/events-500.msgpack: EventTime
// and eleven keys, about 244 bytes an event, the last key `seq` a 12-digit number; or of events of
// a given size, with `message` and `seq`. It is made once; number() writes new `seq` digits and a
// new chunk id in place, which is all that a message costs. Does not send. Invariant: no two
// messages of one run and no two runs share a chunk id. Source of the form: fluent/fluentd wiki,
// Forward Protocol Specification v1, PackedForward Mode. One thread at a time.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace millrace::bench {

constexpr size_t kChunkIdSize = 24;  // base64 of 16 bytes, as Fluent Bit sends it
using ChunkText = std::array<char, kChunkIdSize>;

/// Chunk ids of one run: 8 random bytes of the run, then the message's number, in base64.
ChunkText chunk_text(uint64_t run, uint64_t message_number);

/// The smallest MessageShape::event_bytes, and the largest.
constexpr uint32_t kEventBytesMin = 100;
constexpr uint32_t kEventBytesMax = 1'000'000;

struct MessageShape {
  std::string tag = "app.web";
  uint32_t events = 500;
  uint32_t event_bytes = 0;  // of each entry; 0: eleven keys, about 244
  bool acks = true;          // with the option `chunk`
  uint64_t seed = 1;         // what the events hold; equal seeds make equal events
};

class Message {
 public:
  explicit Message(const MessageShape& shape);

  /// Numbers the events `first_seq`, `first_seq` + 1, ... (modulo 10^12) and sets the chunk id.
  void number(uint64_t first_seq, const ChunkText& chunk);

  const std::string& bytes() const { return bytes_; }
  uint32_t events() const { return static_cast<uint32_t>(seq_at_.size()); }

  /// The same message with its payload as one gzip member (CompressedPackedForward).
  std::string gzipped() const;

 private:
  void append_entries(const MessageShape& shape);
  void append_option(const char* compressed, std::string_view chunk, std::string& out) const;

  std::string tag_;
  bool acks_;
  std::string bytes_;
  size_t payload_at_ = 0;         // first byte of the payload in bytes_
  size_t payload_end_ = 0;        // first byte after it
  size_t chunk_at_ = 0;           // first byte of the chunk id; 0: none
  std::vector<uint32_t> seq_at_;  // first digit of each event's seq in bytes_
};

}  // namespace millrace::bench
