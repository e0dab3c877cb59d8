// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bodies of a PutRecord call: the request written, the reply read (Kinesis API reference,
// PutRecord; JSON as application/x-amz-json-1.1, CBOR as application/x-amz-cbor-1.1). Sends nothing
// and judges nothing.
// A PutRecordBody belongs to one thread; its buffer is used again for every request.
// Invariant: hash() is the SHA-256 of text().

#include <string>
#include <string_view>

#include "base/digest.h"
#include "config/model.h"
#include "output/output.h"

namespace millrace::output {

/// The Content-Type of requests of this form.
std::string_view content_type(config::BodyFormat format);

class PutRecordBody {
 public:
  /// `stream_name` needs no JSON escapes: letters, digits, "_", ".", "-".
  explicit PutRecordBody(std::string_view stream_name,
                         config::BodyFormat format = config::BodyFormat::kJson);

  /// {"StreamName":"s","Data":"<base64>","PartitionKey":"k"}; in CBOR the same map with Data as a
  /// byte string. No ExplicitHashKey, ever: readers would then judge the records within by a hash
  /// that did not route them.
  void build(std::string_view partition_key, std::string_view record);

  std::string_view text() const { return text_; }
  config::BodyFormat format() const { return format_; }
  const Sha256Bytes& hash() const { return hash_; }

 private:
  void write_json(std::string_view partition_key, std::string_view record);
  void write_cbor(std::string_view partition_key, std::string_view record);
  void hash_new();

  config::BodyFormat format_;
  std::string head_;  // up to the content of Data; without the length that CBOR puts before it
  std::string text_;
  size_t hashed_bytes_ = 0;  // of text_
  Digest digest_;
  Sha256Bytes hash_{};
};

/// What a reply says, success or error; each member empty if it is not there.
struct PutRecordReply {
  bool well_formed = false;  // the body is one whole object (JSON) or map (CBOR)
  std::string shard_id;
  std::string sequence_number;
  std::string error_code;  // bare: without namespace and URL
  std::string message;
};

/// Reads any bytes. `error_type` is the header x-amzn-ErrorType; the body's `__type` counts first.
/// A `content_type` of CBOR says that the body is CBOR; any other, that it is JSON, if anything:
/// what stands between us and Kinesis may answer in JSON whatever we sent. Codes are cut at 128
/// bytes, messages at 1024.
PutRecordReply parse_put_record_reply(std::string_view body, std::string_view error_type,
                                      std::string_view content_type = {});

}  // namespace millrace::output
