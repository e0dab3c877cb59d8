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

  /// `wall_us` is microseconds since 1970; 12 bits of the first random number and all of the second
  /// make the rest. An array, since the order of evaluation of arguments is not defined.
  static ChunkId make(uint64_t wall_us, const std::array<uint64_t, 2>& random);
  static ChunkId from_bytes(std::string_view sixteen);

  std::string hex() const;   // 32 characters
  std::string uuid() const;  // 36 characters, 8-4-4-4-12
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  friend bool operator==(const ChunkId& a, const ChunkId& b) { return a.bytes == b.bytes; }
};

}  // namespace millrace
