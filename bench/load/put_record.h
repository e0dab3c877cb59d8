// SPDX-License-Identifier: Apache-2.0
#pragma once

// The body of a PutRecord request in JSON: {"StreamName":…,"Data":"<base64>","PartitionKey":…}, an
// object of strings and, where a member needs none, of plain numbers and words; or in CBOR, the
// same as a map with Data as a byte string, all lengths definite. A second reading of both, on
// purpose not the product's. Sources: Amazon Kinesis Data Streams API reference, PutRecord; RFC
// 8949. Any thread.

#include <string>
#include <string_view>

namespace millrace::bench {

struct PutRecordBody {
  std::string_view data;      // as it stands in the body: base64, or with CBOR the bytes
  std::string partition_key;  // unescaped
  bool has_hash_key = false;  // ExplicitHashKey was given
};

/// False if `body` is not such an object or lacks Data or PartitionKey. The result's view points
/// into `body`.
bool parse_put_record(std::string_view body, PutRecordBody& result);
bool parse_put_record_cbor(std::string_view body, PutRecordBody& result);

/// Decodes padded base64 into `out`, which keeps its memory; false if it is not that.
bool decode_base64(std::string_view text, std::string& out);

}  // namespace millrace::bench
