// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything of an aggregated record that does not depend on its user records: the head before the
// body, the index that each fragment carries, the name of the body's format in the buffer, and how
// large the body may become. kpl_compat "none" writes the table [key] and index 0; "fluentd" writes
// ["a", key] and index 1, byte for byte as fluent-plugin-kinesis-aggregation does, which cannot
// write index 0 (proto3). A value; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/model.h"

namespace millrace::kpl {

/// The format of a chunk's body as the buffer stores it. On disk: never renumber.
enum class PayloadFormat : uint8_t {
  kFragmentsIndex0 = 1,  // fragments whose partition key is entry 0 of the table
  kFragmentsIndex1 = 2,  // the same with entry 1
};

class AggregateHead {
 public:
  explicit AggregateHead(config::KplCompat compat) : compat_(compat) {}

  /// The index to write into every fragment.
  uint32_t key_index() const { return compat_ == config::KplCompat::kFluentd ? 1 : 0; }
  PayloadFormat payload_format() const;

  /// Magic and table: the bytes before the body. The MD5 of the tail covers them from byte 4 on.
  std::string bytes(std::string_view key) const;
  size_t size(size_t key_bytes) const;

  /// What Kinesis counts against its record limit: head, body, tail, and the partition key of the
  /// request (API reference, PutRecord: data blob and partition key together).
  size_t counted_size(size_t body_bytes, size_t key_bytes) const;

  /// The most body bytes for which counted_size() is at most `record_limit`; 0 if there is no room.
  size_t body_bytes_max(size_t record_limit, size_t key_bytes) const;

 private:
  config::KplCompat compat_;
};

}  // namespace millrace::kpl
