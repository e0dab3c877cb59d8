// SPDX-License-Identifier: Apache-2.0
#pragma once

// Refusals: how often a message that cannot be decoded has come, by its chunk and tag. An agent
// that gets no ack sends the same message again for ever; from the third time on it is kept as it
// came and acked. Keeps no bytes of a message. A key has its place in one of kSets sets; a full set
// forgets the one seen less often of any two: of many more messages than it holds, coming round and
// round, the one seen longest ago would be the very one to come next. Shared by all workers, for an
// agent that comes again may meet another one. Any thread. Invariant: its size never changes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

#include "buffer/request_key.h"

namespace millrace::ingest {

class Refusals {
 public:
  static constexpr size_t kWays = 16;
  static constexpr size_t kSets = 1024;
  static constexpr uint32_t kTimesMax = 3;  // it is not refused again

  /// True: it has come kTimesMax times, this time included.
  bool is_enough(std::string_view tag, std::string_view chunk);

 private:
  struct Refusal {
    buffer::RequestKey key{};
    uint32_t times = 0;  // 0: free
  };
  using Set = std::array<Refusal, kWays>;

  std::mutex mutex_;
  std::vector<Set> sets_{kSets};
  uint64_t forgotten_ = 0;
};

}  // namespace millrace::ingest
