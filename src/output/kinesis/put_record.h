// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bodies of a PutRecord call: the request written, the reply read (Kinesis API reference,
// PutRecord, content type application/x-amz-json-1.1). Sends nothing and judges nothing.
// A PutRecordBody belongs to one thread; its buffer is used again for every request.
// Invariant: hash() is the SHA-256 of text().

#include <string>
#include <string_view>

#include "base/digest.h"
#include "output/output.h"

namespace millrace::output {

class PutRecordBody {
 public:
  /// `stream_name` needs no JSON escapes: letters, digits, "_", ".", "-".
  explicit PutRecordBody(std::string_view stream_name);

  /// {"StreamName":"s","Data":"<base64>","PartitionKey":"k"}. No ExplicitHashKey, ever: readers
  /// would then judge the records within by a hash that did not route them.
  void build(std::string_view partition_key, std::string_view record);

  std::string_view text() const { return text_; }
  const Sha256Bytes& hash() const { return hash_; }

 private:
  std::string head_;  // up to and with the opening quote of Data
  std::string text_;
  Digest digest_;
  Sha256Bytes hash_{};
};

/// What a reply says, success or error; each member empty if it is not there.
struct PutRecordReply {
  bool json_object = false;  // the body is one well-formed JSON object
  std::string shard_id;
  std::string sequence_number;
  std::string error_code;  // bare: without namespace and URL
  std::string message;
};

/// Reads any bytes. `error_type` is the header x-amzn-ErrorType; the body's `__type` counts first.
/// Codes are cut at 128 bytes, messages at 1024.
PutRecordReply parse_put_record_reply(std::string_view body, std::string_view error_type);

}  // namespace millrace::output
