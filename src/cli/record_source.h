// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Kinesis records of an input, whichever of three forms it has: a local stream (one entry of
// GetRecords' Records a line), the reply of GetRecords itself (`aws kinesis get-records`), or the
// bytes of one record. What a line holds that is none of these is told and passed over.
// One thread. Invariant: at most one line, or one document, is in memory.

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::cli {

struct KinesisRecord {
  std::string_view place;  // "FILE:LINE", for messages
  std::string partition_key;
  std::string sequence_number;  // empty: unknown
  std::string data;
};

struct RecordVisitor {
  std::function<bool(const KinesisRecord&)> record;  // false: enough
  std::function<void(const std::string& place, const std::string& reason)> damaged;
};

/// Reads `fd` to its end. An Error only when it cannot be read.
Result<> read_kinesis_records(int fd, const std::string& name, const RecordVisitor& visitor);

}  // namespace millrace::cli
