// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/check.h"
#include "base/encoding.h"
#include "output/kinesis/put_record.h"

namespace millrace::output {
namespace {

using config::BodyFormat;

constexpr char kCborType[] = "application/x-amz-cbor-1.1";

std::string bytes_of(std::string_view hex) {
  const auto bytes = hex_decode(hex);
  CHECK(bytes.has_value());
  return *bytes;
}

PutRecordReply read_hex(std::string_view hex, std::string_view error_type = {}) {
  return parse_put_record_reply(bytes_of(hex), error_type, kCborType);
}

PutRecordReply read(const nlohmann::json& body) {
  const std::vector<uint8_t> bytes = nlohmann::json::to_cbor(body);
  return parse_put_record_reply({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "",
                                kCborType);
}

TEST(PutRecordCborBody, GoldenBodyAndHash) {
  PutRecordBody body("s", BodyFormat::kCbor);
  body.build("pk", bytes_of("f3899ac20a"));
  EXPECT_EQ(hex_encode(body.text()),
            "a3"  // a map of three
            "6a53747265616d4e616d65"
            "6173"  // StreamName: s
            "6444617461"
            "45f3899ac20a"  // Data: five bytes
            "6c506172746974696f6e4b6579"
            "62706b");  // PartitionKey: pk
  EXPECT_EQ(body.hash(), sha256(body.text()));
}

TEST(PutRecordCborBody, JoinsPiecesOfAnySize) {
  PutRecordBody body("events", BodyFormat::kCbor);
  size_t cases = 0;
  for (const size_t size : {0u, 1u, 23u, 24u, 255u, 256u, 49151u, 49152u, 49153u, 65535u, 65536u,
                            98304u, 300000u, 1048000u}) {
    std::string record(size, '\0');
    for (size_t i = 0; i < size; ++i) record[i] = static_cast<char>(i * 131 + i / 251);
    const std::string key(size % 256 + 1, 'k');
    body.build(key, record);
    const auto read = nlohmann::json::from_cbor(body.text());
    EXPECT_EQ(read.size(), 3u);
    EXPECT_EQ(read.at("StreamName"), "events");
    EXPECT_EQ(read.at("PartitionKey"), key);
    const auto& data = read.at("Data").get_binary();
    EXPECT_EQ(std::string(data.begin(), data.end()), record) << size;
    EXPECT_EQ(body.hash(), sha256(body.text()));
    ++cases;
  }
  EXPECT_EQ(cases, 14u);
}

TEST(PutRecordCborBody, TheContentTypeIsThatOfTheForm) {
  EXPECT_EQ(content_type(BodyFormat::kJson), "application/x-amz-json-1.1");
  EXPECT_EQ(content_type(BodyFormat::kCbor), kCborType);
}

// As kinesalite 3.3.3 and kinesis-local 0.6.2 answered.
TEST(PutRecordCborReply, RepliesOfEmulators) {
  const auto kinesalite = read_hex(
      "a2675368617264496474736861726449642d3030303030303030303030306e53657175656e63654e756d626572"
      "783834393638303433393733333437343839383830383937333336383430313330383834353339303336303333"
      "34313637303531333337373330");
  EXPECT_TRUE(kinesalite.well_formed);
  EXPECT_EQ(kinesalite.shard_id, "shardId-000000000000");
  EXPECT_EQ(kinesalite.sequence_number, "49680439733474898808973368401308845390360334167051337730");
  const auto kinesis_local = read_hex(
      "a36e456e6372797074696f6e54797065644e4f4e456e53657175656e63654e756d626572783834393638303433"
      "393733343930323134363530313637393332383238323336383334303238353632393434343037303034373734"
      "34303032675368617264496474736861726449642d303030303030303030303030");
  EXPECT_TRUE(kinesis_local.well_formed);
  EXPECT_EQ(kinesis_local.shard_id, "shardId-000000000000");
  EXPECT_EQ(kinesis_local.sequence_number,
            "49680439734902146501679328282368340285629444070047744002");
}

TEST(PutRecordCborReply, ErrorsOfEmulators) {
  const auto kinesalite = read_hex(
      "a2665f5f7479706578195265736f757263654e6f74466f756e64457863657074696f6e676d6573736167657832"
      "53747265616d206f7468657220756e646572206163636f756e7420303030303030303030303030206e6f742066"
      "6f756e642e");
  EXPECT_EQ(kinesalite.error_code, "ResourceNotFoundException");
  EXPECT_EQ(kinesalite.message, "Stream other under account 000000000000 not found.");
  const auto kinesis_local = read_hex(
      "a2665f5f747970657818496e76616c6964417267756d656e74457863657074696f6e676d65737361676578315061"
      "72"
      "746974696f6e206b6579206d757374206265206265747765656e203120616e642032353620696e206c656e67746"
      "8");
  EXPECT_EQ(kinesis_local.error_code, "InvalidArgumentException");
  EXPECT_EQ(kinesis_local.message, "Partition key must be between 1 and 256 in length");
  EXPECT_EQ(read_hex("a1665f5f747970657653657269616c697a6174696f6e457863657074696f6e").error_code,
            "SerializationException");
}

TEST(PutRecordCborReply, CodesOfBodyAndHeader) {
  EXPECT_EQ(read({{"__type", "com.amazonaws.kinesis#LimitExceededException"}}).error_code,
            "LimitExceededException");
  EXPECT_EQ(read({{"Message", "b"}}).message, "b");
  EXPECT_EQ(read_hex("", "ThrottlingException:http://internal.amazon.com/coral/").error_code,
            "ThrottlingException");
  EXPECT_EQ(read_hex("a0", "x#ThrottlingException").error_code, "ThrottlingException");
}

TEST(PutRecordCborReply, TheContentTypeTellsTheForm) {
  constexpr std::string_view kJson = R"({"__type":"AccessDeniedException"})";
  const std::string cbor = bytes_of("a1665f5f747970656143");  // {"__type":"C"}
  const auto code = [](std::string_view body, std::string_view type) {
    return parse_put_record_reply(body, "", type).error_code;
  };
  for (const char* type : {"", "application/x-amz-json-1.1", "application/json", "text/html",
                           "application/x-amz-cbor-1.10", "application/x-amz-cbor"}) {
    EXPECT_EQ(code(kJson, type), "AccessDeniedException") << type;
    EXPECT_EQ(code(cbor, type), "") << type;
  }
  for (const char* type : {kCborType, "Application/X-Amz-CBOR-1.1",
                           "application/x-amz-cbor-1.1;a=b", "application/x-amz-cbor-1.1 ; a=b"}) {
    EXPECT_EQ(code(cbor, type), "C") << type;
    EXPECT_EQ(code(kJson, type), "") << type;
  }
}

TEST(PutRecordCborReply, TakesOnlyTextOfTheOutermostMap) {
  const auto reply = read({{"a", {{"ShardId", "inner"}}},
                           {"b", {{{"SequenceNumber", "1"}}}},
                           {"ShardId", 5},
                           {"SequenceNumber", nlohmann::json::binary({1, 2})},
                           {"__type", nullptr}});
  EXPECT_TRUE(reply.well_formed);
  EXPECT_EQ(reply.shard_id + reply.sequence_number + reply.error_code, "");
}

TEST(PutRecordCborReply, BrokenCborSaysNothing) {
  const std::string whole = bytes_of(
      "a267536861726449646173"
      "6e53657175656e63654e756d6265726131");
  EXPECT_EQ(parse_put_record_reply(whole, "", kCborType).shard_id, "s");
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    const auto reply = parse_put_record_reply(whole.substr(0, cut), "", kCborType);
    EXPECT_FALSE(reply.well_formed) << cut;
    EXPECT_EQ(reply.shard_id + reply.sequence_number, "") << cut;
  }
  EXPECT_FALSE(parse_put_record_reply(whole + '\0', "", kCborType).well_formed);
  EXPECT_FALSE(parse_put_record_reply("\x81" + whole, "", kCborType).well_formed);
}

TEST(PutRecordCborReply, BoundsLengths) {
  const auto reply = read({{"__type", std::string(100'000, 'c')},
                           {"message", std::string(100'000, 'm')},
                           {"ShardId", std::string(100'000, 's')}});
  EXPECT_EQ(reply.error_code.size(), 128u);
  EXPECT_EQ(reply.message.size(), 1024u);
  EXPECT_EQ(reply.shard_id.size(), 128u);
}

// The fuzzer's corpus stays a test where no fuzzer runs.
TEST(PutRecordCborReply, CorpusReplays) {
  size_t files = 0;
  const std::filesystem::path folder =
      std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests/fuzz/corpus/cbor_reply";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    const auto reply = parse_put_record_reply(bytes.str(), bytes.str(), kCborType);
    EXPECT_LE(reply.error_code.size(), 128u) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 10u);
}

}  // namespace
}  // namespace millrace::output
