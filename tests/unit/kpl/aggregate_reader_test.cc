// SPDX-License-Identifier: Apache-2.0
#include "kpl/aggregate_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/unit/kpl/aggregate_text.h"

namespace millrace::kpl {
namespace {

std::string unhex(const std::string& hex) { return hex_decode(hex).value(); }

// The records as key=data or key/hash=data; or raw, or the reason why not.
std::vector<std::string> read(const std::string& data) {
  const Result<std::optional<Aggregate>> result = read_aggregate(data);
  if (!result) {
    EXPECT_EQ(result.error().kind, ErrorKind::kCorrupt);
    return {result.error().message};
  }
  if (!result->has_value()) return {"raw"};
  std::vector<std::string> out;
  for (const UserRecord& record : (*result)->records) {
    std::string text(record.partition_key);
    if (record.explicit_hash_key) text += "/" + std::string(*record.explicit_hash_key);
    out.push_back(text.append("=").append(record.data));
  }
  return out;
}

std::vector<std::string> damaged(const std::string& reason) {
  return {"damaged aggregated record: " + reason};
}

using Texts = std::vector<std::string>;

// Vectors whose bytes other readers of KPL records agree about, made once and recorded.
TEST(AggregateReader, ReadsOneRecord) {
  EXPECT_EQ(
      read(unhex("f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b83")),
      Texts{"pk={\"a\":1}"});
}

TEST(AggregateReader, ReadsTheTableOfTwo) {
  EXPECT_EQ(read(unhex(
                "f3899ac20a01610a12746573745f706172746974696f6e5f6b65791a4908011a457b2261223a22e382"
                "a4e383b3e382b9e38388e383bce383ab222c2274696d65223a22323031312d30312d30325431333a31"
                "343a31355a222c22746167223a2274657374227d5f249cf9762b70563a673763e3f224ba")),
            Texts{"test_partition_key={\"a\":\"インストール\",\"time\":\"2011-01-02T13:14:15Z\","
                  "\"tag\":\"test\"}"});
}

TEST(AggregateReader, TakesTheTableAfterTheRecord) {
  EXPECT_EQ(
      read(unhex("f3899ac21a0b08001a077b2261223a317d0a02706b30bac8befe925529711ff00a6d75e9a4")),
      Texts{"pk={\"a\":1}"});
}

TEST(AggregateReader, TakesEmptyDataThatIsThere) {
  EXPECT_EQ(read(unhex("f3899ac20a02706b1a0408001a0056eb44d69edef7e5d109f79f1336bc95")),
            Texts{"pk="});
}

TEST(AggregateReader, RefusesMissingDataAndMissingIndex) {
  EXPECT_EQ(read(unhex("f3899ac20a02706b1a0208005cfc7504fcd9ea247156a872c68cbdb7")),
            damaged("a required field is missing"));
  EXPECT_EQ(read(unhex("f3899ac20a02706b1a031a01783c0fde4facd540b6f5465f1e734ac523")),
            damaged("a required field is missing"));
}

TEST(AggregateReader, GivesNoneOfTheRecordsWhenOneIndexIsBeyondTheTable) {
  EXPECT_EQ(
      read(unhex("f3899ac20a02706b1a0508001a01781a0508011a01791a0508001a017abf2bed4b7d92d04c02"
                 "4d11ee489e3244")),
      damaged("an index is beyond its table"));
}

TEST(AggregateReader, TakesARecordWithoutRecords) {
  EXPECT_EQ(read(unhex("f3899ac20a02706b1de309800703489376e7e0043512f57b")), Texts{});
}

TEST(AggregateReader, PassesOverTagsAndUnknownFields) {
  EXPECT_EQ(
      read(unhex("f3899ac20a02706b1a1508001a077b2261223a317d22080a026964120263311ff697d9058240"
                 "6334aab5635838bcdc")),
      Texts{"pk={\"a\":1}"});
  EXPECT_EQ(
      read(unhex("f3899ac20a02706b1a0b08001a077b2261223a317d7a0a6368756e6b2d303030312b0696c313"
                 "dbdcba9a56953e36df2f62")),
      Texts{"pk={\"a\":1}"});
}

TEST(AggregateReader, ReadsExplicitHashKeys) {
  EXPECT_EQ(
      read(unhex("f3899ac20a02706b1201301a0508001a01781a07080010001a01794c620c98dfedb6a7aba91b"
                 "03b2bed177")),
      (Texts{"pk=x", "pk/0=y"}));
  EXPECT_EQ(read(enveloped(unhex("0a02706b1a07080010001a0179"))),
            damaged("an index is beyond its table"));
  // 2^32 - 1 and 2^64 - 1 as indices.
  EXPECT_EQ(read(enveloped(unhex("0a02706b1a0b080010ffffffff0f1a0179"))),
            damaged("an index is beyond its table"));
  EXPECT_EQ(read(enveloped(unhex("0a02706b1a0e08ffffffffffffffffff011a0179"))),
            damaged("an index is beyond its table"));
}

TEST(AggregateReader, RefusesAWrongDigest) {
  EXPECT_EQ(
      read(unhex("f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b82")),
      damaged("its MD5 does not fit"));
}

TEST(AggregateReader, TakesShortOrOtherBytesAsRaw) {
  EXPECT_EQ(read(unhex("f3899ac2d41d8cd98f00b204e9800998ecf8427e")), Texts{"raw"});
  EXPECT_EQ(read(""), Texts{"raw"});
  EXPECT_EQ(read("{\"a\":1} and more than twenty-one bytes"), Texts{"raw"});
}

TEST(AggregateReader, RefusesWhatIsNoMessage) {
  const std::string reason = "not a protobuf message";
  for (const std::string& message :
       {unhex("0a"), unhex("0a05706b"), unhex("1a0b0800"), unhex("00"), unhex("0a02706b0c"),
        unhex("0a02706b1a021a05"), unhex("0affffffff0f"), std::string(300, '\x7b')}) {
    EXPECT_EQ(read(enveloped(message)), damaged(reason)) << hex_encode(message);
  }
}

TEST(AggregateReader, ReadsFragmentsWithoutTheirHead) {
  const std::string body = fragment("{\"a\":1}") + fragment("", 1) + fragment("x");
  const auto fragments = read_fragments(body);
  ASSERT_TRUE(fragments);
  ASSERT_EQ(fragments->records.size(), 3U);
  EXPECT_EQ(fragments->records[0].data, "{\"a\":1}");
  EXPECT_EQ(fragments->records[1].data, "");
  EXPECT_EQ(fragments->records[2].data, "x");
  const std::string key = AggregateHead(config::KplCompat::kNone).bytes("k").substr(kMagic.size());
  for (const std::string& other :
       {key + body, body + "\x20\x01", body.substr(0, body.size() - 1), std::string("plain")}) {
    EXPECT_FALSE(read_fragments(other)) << hex_encode(other);
  }
  EXPECT_TRUE(read_fragments("")->records.empty());
}

TEST(AggregateReader, RefusesMoreThanItHasMemoryFor) {
  const std::string large = enveloped(std::string(kAggregateBytesMax, '\0'));
  const Result<std::optional<Aggregate>> too_large = read_aggregate(large);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().kind, ErrorKind::kInvalid);
  std::string many;
  for (size_t i = 0; i < kAggregateEntriesMax + 1; ++i) many += std::string("\x0a\x00", 2);
  const Result<std::optional<Aggregate>> too_many = read_aggregate(enveloped(many));
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().kind, ErrorKind::kInvalid);
}

// Records of these sizes, written and read back.
void expect_read_back(const AggregateHead& head, const std::vector<size_t>& sizes) {
  std::string body;
  std::vector<std::string> expected;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const std::string data(sizes[i], static_cast<char>('a' + i % 26));
    body += fragment(data, head.key_index());
    expected.push_back("key=" + data);
  }
  EXPECT_TRUE(read(aggregate(head, "key", body)) == expected);
}

TEST(AggregateReader, ReadsBackLargeRecords) {
  expect_read_back(AggregateHead(config::KplCompat::kNone), {2097145, 2097146, 2097151, 2097152});
}

RC_GTEST_PROP(AggregateReader, ReadsBackWhatTheEncoderWrote, (bool fluentd)) {
  expect_read_back(AggregateHead(fluentd ? config::KplCompat::kFluentd : config::KplCompat::kNone),
                   *rc::gen::container<std::vector<size_t>>(rc::gen::element<size_t>(
                       0, 1, 122, 123, 124, 127, 128, 129, 300, 16378, 16379, 16383, 16384)));
}

// With a digest that fits, so that the damage reaches the parser.
RC_GTEST_PROP(AggregateReader, DamageGivesAllOrNothing, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  std::string message = std::string("\x0a\x02pk") + fragment("one") + fragment("two") +
                        fragment(std::string(200, 'x'));
  for (size_t flips = 1 + random() % 3; flips > 0; --flips) {
    message[random() % message.size()] = static_cast<char>(random());
  }
  message.resize(random() % (message.size() + 1));
  const Result<std::optional<Aggregate>> result = read_aggregate(enveloped(message));
  if (!result) RC_ASSERT(result.error().kind == ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace millrace::kpl
