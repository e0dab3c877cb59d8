// SPDX-License-Identifier: Apache-2.0
// The reply to a PutRecord: any body, any x-amzn-ErrorType. What is kept is what the JSON library
// finds in the outermost object, bounded, or in a body of CBOR what the map reader finds there (how
// that reads is cbor_reply's); nothing but a whole object with both strings passes as a success,
// and a status alone never condemns a chunk. The same bytes as a record: the request holds them and
// its hash.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "aws/cbor.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/utf8.h"
#include "output/kinesis/error_table.h"
#include "output/kinesis/put_record.h"

namespace {

using millrace::output::Judgement;
using millrace::output::Outcome;
using millrace::output::PutRecordReply;

constexpr size_t kCodeBytesMax = 128;
constexpr size_t kMessageBytesMax = 1024;
constexpr int kDepthMax = 16;
constexpr std::string_view kCborType = "application/x-amz-cbor-1.1";

// The last string of each name in the outermost object, as the JSON library's tree parser sees it.
struct Expected {
  bool object = false;
  std::map<std::string, std::string> strings;
};

Expected expected_of(std::string_view body) {
  using nlohmann::json;
  Expected out;
  std::string name;
  int deepest = 0;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens) deepest = std::max(deepest, depth + 1);
    if (depth != 1) return true;
    if (event == json::parse_event_t::key) name = parsed.get<std::string>();
    if (event == json::parse_event_t::value && parsed.is_string()) {
      // Kinesis writes either; the later one counts.
      out.strings[name == "Message" ? "message" : name] = parsed.get<std::string>();
    }
    return true;
  };
  const json tree = json::parse(body.begin(), body.end(), watch, false);
  out.object = !tree.is_discarded() && tree.is_object() && deepest <= kDepthMax;
  if (!out.object) out.strings.clear();
  return out;
}

Expected expected_of_cbor(std::string_view body) {
  Expected out;
  millrace::aws::CborMapReader reader(body);
  std::string name;
  std::string text;
  while (reader.next(name, text)) out.strings[name == "Message" ? "message" : name] = text;
  out.object = reader.whole();
  if (!out.object) out.strings.clear();
  return out;
}

void check_reading(const PutRecordReply& reply, Expected expected, std::string_view header) {
  CHECK(reply.well_formed == expected.object);
  CHECK(reply.shard_id == expected.strings["ShardId"].substr(0, kCodeBytesMax));
  CHECK(reply.sequence_number == expected.strings["SequenceNumber"].substr(0, kCodeBytesMax));
  CHECK(reply.message == expected.strings["message"].substr(0, kMessageBytesMax));
  std::string code = expected.strings["__type"].substr(0, kCodeBytesMax);
  if (code.empty()) code = header;
  code = code.substr(code.find('#') + 1);  // npos + 1 is 0
  CHECK(reply.error_code == code.substr(0, std::min(code.find(':'), kCodeBytesMax)));
}

void check_judgement(int status, const PutRecordReply& reply) {
  const Judgement judgement = millrace::output::judge(status, reply);
  const bool stored = !reply.shard_id.empty() && !reply.sequence_number.empty();
  CHECK((judgement.outcome == Outcome::kCommitted) == (status == 200 && stored));
  if (judgement.outcome == Outcome::kCommitted) CHECK(reply.well_formed);
  // Bytes that go to dead/ were refused by a code, or by "413 Content Too Large".
  if (judgement.outcome == Outcome::kRejected) CHECK(!reply.error_code.empty() || status == 413);
  if (judgement.clock_wrong) CHECK(judgement.outcome == Outcome::kNotAuthorized);
  // A code that is known counts more than the status, unless the status says "stored".
  const Judgement other = millrace::output::judge(status == 400 ? 503 : 400, reply);
  if (status != 200 && judgement.outcome == Outcome::kThrottled && status != 429) {
    CHECK(other.outcome == Outcome::kThrottled);
  }
}

void check_request(std::string_view bytes) {
  static millrace::output::PutRecordBody request("events");
  const std::string key = millrace::utf8_repaired(bytes.substr(0, 64));
  request.build(key, bytes);
  const auto sent = nlohmann::json::parse(request.text());
  CHECK(sent.size() == 3 && sent.at("StreamName") == "events" && sent.at("PartitionKey") == key);
  CHECK(millrace::base64_decode(sent.at("Data").get<std::string>()) == bytes);
  CHECK(request.hash() == millrace::sha256(request.text()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // Two bytes choose the status and whether the body, the rest, is CBOR; its start serves as the
  // header too.
  const int status = (data[0] | (data[1] & 0x7f) << 8) % 600;
  const bool is_cbor = (data[1] & 0x80) != 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string_view header = body.substr(0, 64);
  const PutRecordReply reply =
      millrace::output::parse_put_record_reply(body, header, is_cbor ? kCborType : "");
  check_reading(reply, is_cbor ? expected_of_cbor(body) : expected_of(body), header);
  check_judgement(status, reply);
  check_request(body);
  return 0;
}
