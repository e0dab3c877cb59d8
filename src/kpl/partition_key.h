// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one partition key of a chunk: of the request, of table entry 0 and of every user record, so
// that no reader's check of hash ranges can drop a record. Either fixed by configuration, or
// random: the chunk's id as 8-4-4-4-12 hexadecimal, which consumers can drop repeated chunks by. A
// value; any thread.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/chunk_id.h"
#include "base/result.h"

namespace millrace::kpl {

/// Whether Kinesis takes `key`: 1 to 256 characters of valid UTF-8.
Result<void> check_partition_key(std::string_view key);

class PartitionKey {
 public:
  /// `fixed` has passed check_partition_key(), or is empty for random keys.
  explicit PartitionKey(std::string fixed);

  std::string of(const ChunkId& chunk) const { return fixed_.empty() ? chunk.uuid() : fixed_; }
  size_t size() const { return fixed_.empty() ? kUuidBytes : fixed_.size(); }

 private:
  static constexpr size_t kUuidBytes = 36;

  std::string fixed_;
};

}  // namespace millrace::kpl
