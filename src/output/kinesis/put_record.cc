// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/put_record.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "output/json_text.h"

namespace millrace::output {
namespace {

// A multiple of 3, so that pieces join without padding; its base64 (64 KiB) is hashed while it is
// still in the cache.
constexpr size_t kPieceBytes = 48 << 10;

constexpr size_t kCodeBytesMax = 128;
constexpr size_t kMessageBytesMax = 1024;
constexpr int kDepthMax = 16;

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
    if (depth_ == 1 && target_ != nullptr) target_->assign(text, 0, limit_);
    return value();
  }
  bool start_object(size_t) { return open(); }
  bool start_array(size_t) { return depth_ > 0 && open(); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    if (depth_ != 1) return true;
    limit_ = kCodeBytesMax;
    target_ = nullptr;
    if (name == "ShardId") {
      target_ = &reply_.shard_id;
    } else if (name == "SequenceNumber") {
      target_ = &reply_.sequence_number;
    } else if (name == "__type") {
      target_ = &reply_.error_code;
    } else if (name == "message" || name == "Message") {
      target_ = &reply_.message;
      limit_ = kMessageBytesMax;
    }
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
  std::string* target_ = nullptr;
  size_t limit_ = 0;
  int depth_ = 0;
};

// "com.amazonaws.kinesis#CodeException:http://..." -> "CodeException"
std::string bare_code(std::string_view type) {
  const size_t hash = type.find('#');
  if (hash != std::string_view::npos) type.remove_prefix(hash + 1);
  return std::string(type.substr(0, std::min(type.find(':'), kCodeBytesMax)));
}

}  // namespace

PutRecordBody::PutRecordBody(std::string_view stream_name) : digest_(Digest::sha256()) {
  head_.append(R"({"StreamName":")").append(stream_name).append(R"(","Data":")");
}

void PutRecordBody::build(std::string_view partition_key, std::string_view record) {
  constexpr std::string_view kMiddle = R"(","PartitionKey":)";
  constexpr size_t kEscapedMax = 6;  // \u0000
  text_.clear();
  text_.reserve(head_.size() + base64_encoded_size(record.size()) + kMiddle.size() +
                partition_key.size() * kEscapedMax + 3);
  digest_.start();
  size_t hashed = 0;
  const auto hash_new = [&] {
    digest_.update(std::string_view(text_).substr(hashed));
    hashed = text_.size();
  };
  text_.append(head_);
  while (!record.empty()) {
    base64_append(text_, record.substr(0, kPieceBytes));
    record.remove_prefix(std::min(record.size(), kPieceBytes));
    hash_new();
  }
  text_.append(kMiddle);
  append_json_string(text_, partition_key);
  text_.push_back('}');
  hash_new();
  digest_.finish(hash_.data());
}

PutRecordReply parse_put_record_reply(std::string_view body, std::string_view error_type) {
  PutRecordReply reply;
  ReplyReader reader(reply);
  reply.json_object = nlohmann::json::sax_parse(body.begin(), body.end(), &reader);
  if (!reply.json_object) reply = {};
  if (reply.error_code.empty()) reply.error_code = std::string(error_type.substr(0, 512));
  reply.error_code = bare_code(reply.error_code);
  return reply;
}

}  // namespace millrace::output
