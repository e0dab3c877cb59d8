// SPDX-License-Identifier: Apache-2.0
#pragma once

// PoolGate: whether the memory in which commits are built has room for one more message. A message
// that alone passes the limit is let in when nearly nothing else is in use; while one waits, the
// others do so too, for a second at a time, or it would never come in under steady load. What a log
// holds that refuses commits counts for nobody: its disk may be away for hours.
// Pure: what is in use and time are handed in. Invariant: of a large message, nothing else is in
// use but kBesideLargeMax and what is stuck. Loop thread.

#include <cstdint>

namespace millrace::ingest {

class PoolGate {
 public:
  /// Bytes laid out and not yet durable.
  static constexpr uint64_t kBytesMax = 64ULL << 20;
  static constexpr uint64_t kBesideLargeMax = 8ULL << 20;
  static constexpr uint64_t kLargeTurnMs = 1'000;

  struct Use {
    uint64_t bytes = 0;  // in use
    uint64_t stuck = 0;  // of them, in logs that refuse
    bool idle = false;   // nothing waits for a commit
  };

  /// True if a message of `estimate` bytes may be laid out now. Asked again for the same message
  /// until it was; one that is not asked for any more holds nobody up for long.
  bool admits(uint64_t estimate, const Use& use, uint64_t now_ms);

  static bool is_large(uint64_t estimate) { return estimate > kBytesMax; }

 private:
  uint64_t large_wanted_until_ms_ = 0;
  uint64_t large_next_ms_ = 0;  // others are not held up before
};

}  // namespace millrace::ingest
