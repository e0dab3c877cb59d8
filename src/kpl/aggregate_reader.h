// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads one Kinesis record as the readers of KPL records do, but strictly: it gives all user
// records or none, and says why. For tools and tests; the way out of the buffer never parses what
// it wrote. The only file that includes protobuf is its .cc. Any thread; nothing is kept.
// Invariant: every view in an Aggregate points into its own storage.

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::kpl {

/// More than any Kinesis record holds (10 MiB); larger input is refused unread.
inline constexpr size_t kAggregateBytesMax = 16ULL << 20;
/// User records and table entries together. A 10 MiB record of the smallest fragments stays below.
/// With it, reading takes at most 200 MB beside the input.
inline constexpr size_t kAggregateEntriesMax = 1ULL << 21;

struct UserRecord {
  std::string_view partition_key;
  std::optional<std::string_view> explicit_hash_key;
  std::string_view data;
};

struct Aggregate {
  std::vector<UserRecord> records;  // in the order of the wire
  std::unique_ptr<char[]> storage;
};

/// Nothing: `data` is not an aggregated record but plain bytes (no magic, or too short), to be
/// taken as they are. An Error (kCorrupt): it is one and is damaged: wrong MD5, not the messages of
/// proto/kpl.proto, a required field missing, an index beyond its table. kInvalid: too large.
Result<std::optional<Aggregate>> read_aggregate(std::string_view data);

/// The user records of a body whose head and digest are lost: fragments and nothing else. Their
/// partition keys are empty. kCorrupt: it is not that. kInvalid: too large.
Result<Aggregate> read_fragments(std::string_view body);

}  // namespace millrace::kpl
