// SPDX-License-Identifier: Apache-2.0
#pragma once

// SeenRecords: knows an aggregated record again that a stream holds twice because its PutRecord was
// sent again: partition key and all bytes are equal, which a random partition key makes unique to a
// chunk. Forgets the oldest beyond kRecordsMax. Invariant: memory is bounded by kRecordsMax. One
// thread.

#include <array>
#include <cstdint>
#include <deque>
#include <set>

#include "base/digest.h"
#include "cli/record_source.h"

namespace millrace::cli {

class SeenRecords {
 public:
  static constexpr size_t kRecordsMax = 1'000'000;  // of 300 KiB each: more than a day at 3 MiB/s

  /// False if this record was seen before.
  bool is_new(const KinesisRecord& record);
  uint64_t repeats() const { return repeats_; }

 private:
  using Name = std::array<uint8_t, 16>;  // the first half of a SHA-256: no two by chance

  Digest digest_ = Digest::sha256();
  std::set<Name> names_;
  std::deque<Name> order_;
  uint64_t repeats_ = 0;
};

}  // namespace millrace::cli
