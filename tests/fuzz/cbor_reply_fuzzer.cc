// SPDX-License-Identifier: Apache-2.0
// CBOR from a service: any bytes as a reply of application/x-amz-cbor-1.1. What the JSON library's
// own CBOR parser takes for a map, ours takes too, with the same strings; ours never finds text
// that is not in the bytes, nor something else when it reads them again. The same bytes as names,
// texts and records: what the writer writes, both read back.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "aws/cbor.h"
#include "base/check.h"
#include "base/utf8.h"
#include "output/kinesis/put_record.h"

namespace {

using millrace::aws::CborMapReader;
using millrace::output::PutRecordReply;
using nlohmann::json;

constexpr std::string_view kCborType = "application/x-amz-cbor-1.1";
constexpr int kDepthMax = 16;

struct Strings {
  bool whole = false;
  std::map<std::string, std::string> last;  // of each name
  size_t bytes = 0;

  friend bool operator==(const Strings&, const Strings&) = default;
};

Strings ours(std::string_view bytes) {
  Strings out;
  CborMapReader reader(bytes);
  std::string name;
  std::string text;
  while (reader.next(name, text)) {
    CHECK(millrace::utf8_valid(name) && millrace::utf8_valid(text));
    out.bytes += name.size() + text.size();
    out.last[name] = text;
  }
  out.whole = reader.whole();
  return out;
}

// The outermost map's strings as the library's event parser tells them, and whether it is one map
// of UTF-8, no deeper than ours may be.
class Library {
 public:
  bool null() { return depth_ > 0; }
  bool boolean(bool) { return depth_ > 0; }
  bool number_integer(json::number_integer_t) { return depth_ > 0; }
  bool number_unsigned(json::number_unsigned_t) { return depth_ > 0; }
  bool number_float(json::number_float_t, const std::string&) { return depth_ > 0; }
  bool binary(json::binary_t&) { return depth_ > 0; }
  bool string(std::string& text) {
    if (depth_ != 1) return depth_ > 1;
    strings_[name_] = text;
    return millrace::utf8_valid(text);
  }
  bool key(std::string& name) {
    if (depth_ == 1) name_ = name;
    return depth_ != 1 || millrace::utf8_valid(name);
  }
  bool start_object(size_t) { return ++depth_ <= kDepthMax; }
  bool start_array(size_t) { return depth_ > 0 && ++depth_ <= kDepthMax; }
  bool end_object() { return --depth_ >= 0; }
  bool end_array() { return --depth_ >= 0; }
  bool parse_error(size_t, const std::string&, const json::exception&) { return false; }

  const std::map<std::string, std::string>& strings() const { return strings_; }

 private:
  std::map<std::string, std::string> strings_;
  std::string name_;
  int depth_ = 0;
};

// The library's own faults (3.11): it takes strings of pieces within pieces, which the standard
// forbids, as deep as they come, and the length 2^64 - 1 for "indefinite".
constexpr ptrdiff_t kPiecesMax = 64;
constexpr std::string_view kLengthMax = "\xff\xff\xff\xff\xff\xff\xff\xff";

void check_reading(std::string_view bytes, const Strings& strings) {
  CHECK(strings.bytes <= bytes.size());
  CHECK(strings == ours(bytes));
  const ptrdiff_t pieces =
      std::count(bytes.begin(), bytes.end(), 0x7f) + std::count(bytes.begin(), bytes.end(), 0x5f);
  if (pieces > kPiecesMax || bytes.find(kLengthMax) != std::string_view::npos) return;
  Library library;
  if (!json::sax_parse(bytes.begin(), bytes.end(), &library, json::input_format_t::cbor)) return;
  CHECK(strings.whole || pieces >= 2);
  if (strings.whole) CHECK(strings.last == library.strings());
}

void check_reply(std::string_view bytes, Strings strings) {
  const PutRecordReply reply = millrace::output::parse_put_record_reply(bytes, "", kCborType);
  CHECK(reply.well_formed == strings.whole);
  if (!strings.whole) strings.last.clear();
  CHECK(reply.shard_id == strings.last["ShardId"].substr(0, 128));
  CHECK(reply.sequence_number == strings.last["SequenceNumber"].substr(0, 128));
  CHECK(reply.error_code.size() <= 128 && reply.message.size() <= 1024);
}

void check_writing(std::string_view bytes) {
  const std::string text = millrace::utf8_repaired(bytes);
  std::string written;
  millrace::aws::cbor_append_map(written, 2);
  millrace::aws::cbor_append_text(written, text);
  millrace::aws::cbor_append_text(written, "last");
  millrace::aws::cbor_append_text(written, "last" + text);
  millrace::aws::cbor_append_text(written, text);
  const Strings read = ours(written);
  CHECK(read.whole && read.last.size() == 2);
  CHECK(read.last.at(text) == "last" && read.last.at("last" + text) == text);
  for (size_t cut = 0; cut < written.size(); cut += 1 + written.size() / 16) {
    CHECK(!ours(std::string_view(written).substr(0, cut)).whole);
  }
}

void check_request(std::string_view bytes) {
  static millrace::output::PutRecordBody request("events", millrace::config::BodyFormat::kCbor);
  const std::string key = millrace::utf8_repaired(bytes.substr(0, 64));
  request.build(key, bytes);
  const json sent = json::from_cbor(request.text());
  CHECK(sent.size() == 3 && sent.at("StreamName") == "events" && sent.at("PartitionKey") == key);
  const json::binary_t& data = sent.at("Data").get_binary();
  CHECK(std::string_view(reinterpret_cast<const char*>(data.data()), data.size()) == bytes);
  CHECK(request.hash() == millrace::sha256(request.text()));
  const Strings read = ours(request.text());
  CHECK(read.whole && read.last.size() == 2 && read.last.at("PartitionKey") == key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Strings strings = ours(bytes);
  check_reading(bytes, strings);
  check_reply(bytes, strings);
  check_writing(bytes);
  check_request(bytes);
  return 0;
}
