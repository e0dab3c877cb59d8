// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lane: what a worker keeps for one output: its log, its formatter and how a record of it is
// framed. encode() is the hot path: one entry becomes one KPL fragment, formatted straight into the
// memory that goes to disk. Does not decide where an entry goes. Invariant: every encoded record
// carries the key index that the chunk's head has. Loop thread. The log must outlive it.

#include <string>

#include "buffer/log.h"
#include "config/model.h"
#include "format/json_formatter.h"
#include "kpl/aggregate_head.h"
#include "kpl/partition_key.h"

namespace millrace::ingest {

/// Bytes of one record as JSON; above, it is kept as it came (dead letter).
constexpr uint64_t kRecordEncodedBytesMax = 32ULL << 20;

class Lane {
 public:
  Lane(const config::Match& match, buffer::Log& log);

  enum class Encoded : uint8_t {
    kStored,
    kOversize,   // stored as a dead letter: no Kinesis record can hold it
    kDiscarded,  // too deep
    kTruncated,
    kMalformed,
    kTooCostly,  // would be too large as JSON, or takes too long: to be kept as it came
  };
  struct Result {
    Encoded encoded;
    const char* record_end;  // null when it is not known
  };

  /// A request's records follow; all carry this tag. `decimals`: as in input::Message.
  void begin_request(std::string_view tag, bool decimals);
  Result encode(const char* record, const char* end, EventTime time);
  uint64_t request_bytes() const { return request_bytes_; }
  format::ReplacedCounts take_counts() { return formatter_.take_counts(); }

  buffer::Log& log() { return log_; }
  const config::Buffer& options() const { return options_; }
  /// For a message that is kept as it came.
  const buffer::ChunkProfile& opaque_profile() const { return opaque_profile_; }

 private:
  Result encode_in_scratch(const char* record, const char* end, EventTime time);
  Result format_in_scratch(const char* record, const char* end, EventTime time);
  static size_t expected_bytes(const char* record, const char* end);
  static Result not_formatted(const format::FormatResult& formatted);
  size_t frame_in_place(char* begin, size_t data_bytes);
  void put_oversize(std::string_view framed);

  buffer::Log& log_;
  const config::Buffer options_;
  format::JsonFormatter formatter_;
  const kpl::AggregateHead head_;
  const kpl::PartitionKey key_;
  buffer::ChunkProfile profile_;
  buffer::ChunkProfile opaque_profile_;
  buffer::StageTarget target_;
  std::string scratch_;
  uint64_t request_bytes_ = 0;
};

}  // namespace millrace::ingest
