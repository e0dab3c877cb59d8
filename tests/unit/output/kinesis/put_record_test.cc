// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/put_record.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/encoding.h"

namespace millrace::output {
namespace {

TEST(PutRecordBody, GoldenBodyAndHash) {
  const auto record =
      hex_decode("f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b83");
  ASSERT_TRUE(record);
  PutRecordBody body("s");
  body.build("pk", *record);
  EXPECT_EQ(body.text(),
            R"({"StreamName":"s","Data":"84mawgoCcGsaCwgAGgd7ImEiOjF9bLddcP3skLFNkgUfHwebgw==",)"
            R"("PartitionKey":"pk"})");
  EXPECT_EQ(hex_encode({reinterpret_cast<const char*>(body.hash().data()), body.hash().size()}),
            "6ef189d48812766553d537ff5ae72d3520af74d40cece7d925ca2343194115ce");
}

TEST(PutRecordBody, JoinsPiecesOfAnySize) {
  PutRecordBody body("events");
  size_t cases = 0;
  for (const size_t size : {0u, 1u, 2u, 3u, 49151u, 49152u, 49153u, 98304u, 300000u, 1048000u}) {
    std::string record(size, '\0');
    for (size_t i = 0; i < size; ++i) {
      record[i] = static_cast<char>(i * 131 + i / 251);
    }
    body.build("key", record);
    EXPECT_EQ(body.text(), "{\"StreamName\":\"events\",\"Data\":\"" + base64_encode(record) +
                               "\",\"PartitionKey\":\"key\"}");
    EXPECT_EQ(body.hash(), sha256(body.text()));
    ++cases;
  }
  EXPECT_EQ(cases, 10u);
}

TEST(PutRecordBody, EscapesTheKey) {
  PutRecordBody body("s");
  const std::string key = "a\"b\\c\n\x01\x1f/\xc3\xa9\x7f";
  body.build(key, "x");
  const auto json = nlohmann::json::parse(body.text());
  EXPECT_EQ(json.at("PartitionKey").get<std::string>(), key);
  EXPECT_EQ(json.size(), 3u);
}

TEST(PutRecordReply, Success) {
  const auto reply = parse_put_record_reply(
      R"({"ShardId":"shardId-000000000001","SequenceNumber":"4959","EncryptionType":"NONE"})", "");
  EXPECT_TRUE(reply.well_formed);
  EXPECT_EQ(reply.shard_id, "shardId-000000000001");
  EXPECT_EQ(reply.sequence_number, "4959");
  EXPECT_EQ(reply.error_code, "");
}

TEST(PutRecordReply, ErrorCodesAndMessages) {
  const auto code = [](const char* body, const char* header) {
    return parse_put_record_reply(body, header).error_code;
  };
  EXPECT_EQ(code(R"({"__type":"com.amazonaws.kinesis#LimitExceededException"})", ""),
            "LimitExceededException");
  EXPECT_EQ(code(R"({"__type":"AccessDeniedException","Message":"no"})", "Other"),
            "AccessDeniedException");
  EXPECT_EQ(code("", "ThrottlingException:http://internal.amazon.com/coral/"),
            "ThrottlingException");
  EXPECT_EQ(code("<html>", "x#ThrottlingException"), "ThrottlingException");
  EXPECT_EQ(parse_put_record_reply(R"({"message":"a"})", "").message, "a");
  EXPECT_EQ(parse_put_record_reply(R"({"Message":"b"})", "").message, "b");
}

TEST(PutRecordReply, TakesOnlyStringsOfTheOutermostObject) {
  const auto reply = parse_put_record_reply(
      R"({"a":{"ShardId":"inner"},"b":[{"SequenceNumber":"1"}],"ShardId":5,"__type":null})", "");
  EXPECT_TRUE(reply.well_formed);
  EXPECT_EQ(reply.shard_id, "");
  EXPECT_EQ(reply.sequence_number, "");
  EXPECT_EQ(reply.error_code, "");
}

TEST(PutRecordReply, BrokenJsonSaysNothing) {
  for (const char* body :
       {"", "null", "\"ShardId\"", "[]", "5", R"({"ShardId":"s","SequenceNumber":"1")",
        R"({"ShardId":"s","SequenceNumber":"1"}x)", R"([{"ShardId":"s","SequenceNumber":"1"}])",
        "{\"ShardId\":\"\xff\",\"SequenceNumber\":\"1\"}"}) {
    const auto reply = parse_put_record_reply(body, "");
    EXPECT_FALSE(reply.well_formed) << body;
    EXPECT_EQ(reply.shard_id + reply.sequence_number, "") << body;
  }
}

TEST(PutRecordReply, BoundsDepthAndLengths) {
  std::string deep = R"({"ShardId":"s","SequenceNumber":"1","x":)";
  deep.append(200'000, '[').append(200'000, ']').append("}");
  EXPECT_FALSE(parse_put_record_reply(deep, "").well_formed);
  const auto reply =
      parse_put_record_reply("{\"__type\":\"" + std::string(100'000, 'c') + "\",\"message\":\"" +
                                 std::string(100'000, 'm') + "\"}",
                             std::string(100'000, 'h'));
  EXPECT_EQ(reply.error_code.size(), 128u);
  EXPECT_EQ(reply.message.size(), 1024u);
}

// The fuzzer's corpus stays a test where no fuzzer runs.
TEST(PutRecordReply, CorpusReplays) {
  size_t files = 0;
  const std::filesystem::path folder =
      std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests/fuzz/corpus/put_record_reply";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    const auto reply = parse_put_record_reply(bytes.str(), bytes.str());
    EXPECT_LE(reply.error_code.size(), 128u) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 10u);
}

}  // namespace
}  // namespace millrace::output
