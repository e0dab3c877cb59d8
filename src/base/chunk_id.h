// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChunkId: the 16 bytes that name a chunk everywhere: 52 bits of microseconds since 1970, 12 random
// bits, 64 random bits (Fluentd's scheme, lib/fluent/plugin/buffer.rb, generate_unique_id).
// Its 8-4-4-4-12 form is the random partition key. A value; any thread.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace {

struct ChunkId {
  std::array<uint8_t, 16> bytes{};

  /// `wall_us` is microseconds since 1970; `random` supplies the other 76 bits.
  static ChunkId make(uint64_t wall_us, uint64_t random_high, uint64_t random_low);
  static ChunkId from_bytes(std::string_view sixteen);

  std::string hex() const;   // 32 characters
  std::string uuid() const;  // 36 characters, 8-4-4-4-12
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  friend bool operator==(const ChunkId& a, const ChunkId& b) { return a.bytes == b.bytes; }
};

}  // namespace millrace
