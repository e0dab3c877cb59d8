// SPDX-License-Identifier: Apache-2.0
#pragma once

// The body of a PutRecord request in JSON: {"StreamName":…,"Data":"<base64>","PartitionKey":…}, an
// object of strings and, where a member needs none, of plain numbers and words.
// Source: Amazon Kinesis Data Streams API reference, PutRecord. Any thread.

#include <string>
#include <string_view>

namespace millrace::bench {

struct PutRecordBody {
  std::string_view data_base64;  // as it stands in the body
  std::string partition_key;     // unescaped
  bool has_hash_key = false;     // ExplicitHashKey was given
};

/// False if `body` is not such an object or lacks Data or PartitionKey. The result's view points
/// into `body`.
bool parse_put_record(std::string_view body, PutRecordBody& result);

/// Decodes padded base64 into `out`, which keeps its memory; false if it is not that.
bool decode_base64(std::string_view text, std::string& out);

}  // namespace millrace::bench
