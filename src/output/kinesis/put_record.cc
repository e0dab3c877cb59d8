// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/put_record.h"

#include <strings.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "aws/cbor.h"
#include "base/encoding.h"
#include "output/json_text.h"

namespace millrace::output {
namespace {

using config::BodyFormat;

constexpr std::string_view kJsonType = "application/x-amz-json-1.1";
constexpr std::string_view kCborType = "application/x-amz-cbor-1.1";

// A multiple of 3, so that pieces join without padding; its base64 (64 KiB) is hashed while it is
// still in the cache.
constexpr size_t kPieceBytes = 48 << 10;

constexpr size_t kCodeBytesMax = 128;
constexpr size_t kMessageBytesMax = 1024;
constexpr int kDepthMax = 16;

// Where a string of a reply goes, and how much of it; target nullptr: it is not wanted.
struct Place {
  std::string* target = nullptr;
  size_t limit = kCodeBytesMax;
};

Place place_of(PutRecordReply& reply, std::string_view name) {
  if (name == "ShardId") return {&reply.shard_id};
  if (name == "SequenceNumber") return {&reply.sequence_number};
  if (name == "__type") return {&reply.error_code};
  if (name == "message" || name == "Message") return {&reply.message, kMessageBytesMax};
  return {};
}

// Takes the strings of the outermost object and keeps nothing else, however large the reply.
class ReplyReader {
 public:
  using json = nlohmann::json;

  explicit ReplyReader(PutRecordReply& reply) : reply_(reply) {}

  bool null() { return value(); }
  bool boolean(bool) { return value(); }
  bool number_integer(json::number_integer_t) { return value(); }
  bool number_unsigned(json::number_unsigned_t) { return value(); }
  bool number_float(json::number_float_t, const std::string&) { return value(); }
  bool binary(json::binary_t&) { return value(); }
  bool string(std::string& text) {
    if (depth_ == 1 && place_.target != nullptr) place_.target->assign(text, 0, place_.limit);
    return value();
  }
  bool start_object(size_t) { return open(); }
  bool start_array(size_t) { return depth_ > 0 && open(); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    if (depth_ == 1) place_ = place_of(reply_, name);
    return true;
  }
  bool parse_error(size_t, const std::string&, const json::exception&) { return false; }

 private:
  bool value() const { return depth_ > 0; }
  bool open() { return ++depth_ <= kDepthMax; }
  bool close() {
    --depth_;
    return true;
  }

  PutRecordReply& reply_;
  Place place_;
  int depth_ = 0;
};

bool read_json(std::string_view body, PutRecordReply& reply) {
  ReplyReader reader(reply);
  return nlohmann::json::sax_parse(body.begin(), body.end(), &reader);
}

bool read_cbor(std::string_view body, PutRecordReply& reply) {
  aws::CborMapReader reader(body);
  std::string name;
  std::string text;
  while (reader.next(name, text)) {
    const Place place = place_of(reply, name);
    if (place.target != nullptr) place.target->assign(text, 0, place.limit);
  }
  return reader.whole();
}

// Names are compared without case, parameters left out: RFC 9110, section 8.3.1.
bool says_cbor(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find_first_of("; \t"));
  return type.size() == kCborType.size() &&
         ::strncasecmp(type.data(), kCborType.data(), type.size()) == 0;
}

// "com.amazonaws.kinesis#CodeException:http://..." -> "CodeException"
std::string bare_code(std::string_view type) {
  const size_t hash = type.find('#');
  if (hash != std::string_view::npos) type.remove_prefix(hash + 1);
  return std::string(type.substr(0, std::min(type.find(':'), kCodeBytesMax)));
}

}  // namespace

std::string_view content_type(BodyFormat format) {
  return format == BodyFormat::kCbor ? kCborType : kJsonType;
}

PutRecordBody::PutRecordBody(std::string_view stream_name, BodyFormat format)
    : format_(format), digest_(Digest::sha256()) {
  if (format == BodyFormat::kCbor) {
    aws::cbor_append_map(head_, 3);
    aws::cbor_append_text(head_, "StreamName");
    aws::cbor_append_text(head_, stream_name);
    aws::cbor_append_text(head_, "Data");
  } else {
    head_.append(R"({"StreamName":")").append(stream_name).append(R"(","Data":")");
  }
}

void PutRecordBody::build(std::string_view partition_key, std::string_view record) {
  text_.clear();
  hashed_bytes_ = 0;
  digest_.start();
  if (format_ == BodyFormat::kCbor) {
    write_cbor(partition_key, record);
  } else {
    write_json(partition_key, record);
  }
  hash_new();
  digest_.finish(hash_.data());
}

void PutRecordBody::write_json(std::string_view partition_key, std::string_view record) {
  constexpr std::string_view kMiddle = R"(","PartitionKey":)";
  constexpr size_t kEscapedMax = 6;  // \u0000
  text_.reserve(head_.size() + base64_encoded_size(record.size()) + kMiddle.size() +
                partition_key.size() * kEscapedMax + 3);
  text_.append(head_);
  while (!record.empty()) {
    base64_append(text_, record.substr(0, kPieceBytes));
    record.remove_prefix(std::min(record.size(), kPieceBytes));
    hash_new();
  }
  text_.append(kMiddle);
  append_json_string(text_, partition_key);
  text_.push_back('}');
}

// Each byte is written once and hashed in the cache, as in write_json: libcurl takes a body in one
// piece.
void PutRecordBody::write_cbor(std::string_view partition_key, std::string_view record) {
  constexpr std::string_view kKeyName = "PartitionKey";
  constexpr size_t kHeadBytesMax = 9;
  text_.reserve(head_.size() + record.size() + kKeyName.size() + partition_key.size() +
                3 * kHeadBytesMax);
  text_.append(head_);
  aws::cbor_append_bytes_head(text_, record.size());
  while (!record.empty()) {
    text_.append(record.substr(0, kPieceBytes));
    record.remove_prefix(std::min(record.size(), kPieceBytes));
    hash_new();
  }
  aws::cbor_append_text(text_, kKeyName);
  aws::cbor_append_text(text_, partition_key);
}

void PutRecordBody::hash_new() {
  digest_.update(std::string_view(text_).substr(hashed_bytes_));
  hashed_bytes_ = text_.size();
}

PutRecordReply parse_put_record_reply(std::string_view body, std::string_view error_type,
                                      std::string_view content_type) {
  PutRecordReply reply;
  reply.well_formed = says_cbor(content_type) ? read_cbor(body, reply) : read_json(body, reply);
  if (!reply.well_formed) reply = {};
  if (reply.error_code.empty()) reply.error_code = std::string(error_type.substr(0, 512));
  reply.error_code = bare_code(reply.error_code);
  return reply;
}

}  // namespace millrace::output
