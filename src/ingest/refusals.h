// SPDX-License-Identifier: Apache-2.0
#pragma once

// Refusals: how often a message that cannot be decoded has come, by its chunk and tag. An agent
// that gets no ack sends the same message again for ever; from the third time on it is kept as it
// came and acked. Keeps no bytes of a message; knows the newest kRememberedMax of them and forgets
// the one that was not seen for longest. Shared by all workers, for an agent that comes again may
// meet another one. Any thread. Invariant: its size never changes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "buffer/request_key.h"

namespace millrace::ingest {

class Refusals {
 public:
  static constexpr size_t kRememberedMax = 1024;
  static constexpr uint32_t kTimesMax = 3;  // it is not refused again

  /// True: it has come kTimesMax times, this time included.
  bool is_enough(std::string_view tag, std::string_view chunk);

 private:
  struct Refusal {
    buffer::RequestKey key{};
    uint32_t times = 0;      // 0: free
    uint64_t last_seen = 0;  // running number of a call
  };

  std::mutex mutex_;
  std::array<Refusal, kRememberedMax> refusals_;
  uint64_t calls_ = 0;
};

}  // namespace millrace::ingest
