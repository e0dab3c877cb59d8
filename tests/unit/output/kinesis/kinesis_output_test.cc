// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/kinesis_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <nlohmann/json.hpp>

#include "aws/sigv4.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "http/library.h"
#include "tests/support/scripted_http_server.h"

namespace millrace::output {
namespace {

using testing::Answer;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScriptedHttpServer;
using testing::SeenRequest;

constexpr char kKeyId[] = "AKIDEXAMPLE";
constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr char kToken[] = "SESSIONTOKENEXAMPLE";
constexpr char kStored[] = R"({"ShardId":"shardId-000000000000","SequenceNumber":"49"})";

const http::Library library;

const bool environment_cleared = [] {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                           "no_proxy", "NO_PROXY"}) {
    ::unsetenv(name);
  }
  return true;
}();

std::string no_environment(const char*) { return {}; }

config::Match match_to(const std::string& endpoint) {
  config::Match match;
  match.type = config::OutputType::kKinesisAggregation;
  match.kinesis.stream_name = "events";
  match.kinesis.region = "us-east-1";
  match.kinesis.endpoint = endpoint;
  match.kinesis.aws_key_id = kKeyId;
  match.kinesis.aws_sec_key = kSecret;
  return match;
}

Delivery delivery_of(std::string_view record) {
  Delivery delivery;
  delivery.partition_key = "pk";
  delivery.record = record;
  delivery.records = 1;
  return delivery;
}

// An output with one sender.
struct Hand {
  explicit Hand(const config::Match& match) {
    auto made = make_kinesis_output(match, no_environment);
    CHECK(made.has_value());
    output = std::move(*made);
    sender = output->make_sender();
  }
  PutResult put(std::string_view record = "record") { return sender->put(delivery_of(record)); }

  std::unique_ptr<Output> output;
  std::unique_ptr<Sender> sender;
};

// The Authorization header that a request with these headers and body must have.
std::string expected_authorization(const SeenRequest& request, const std::string& token) {
  const std::string type = request.header("content-type");
  const std::string host = request.header("host");
  const std::string date = request.header("x-amz-date");
  const std::string target = request.header("x-amz-target");
  std::vector<aws::SignedHeader> headers = {
      {"content-type", type}, {"host", host}, {"x-amz-date", date}};
  if (!token.empty()) headers.push_back({"x-amz-security-token", token});
  headers.push_back({"x-amz-target", target});
  aws::Signer signer({aws::Secret(kKeyId), aws::Secret(kSecret), aws::Secret(token)}, "us-east-1",
                     "kinesis");
  return signer.authorization("POST", "/", headers, date, sha256(request.body));
}

Answer error(int status, const std::string& code, const std::string& message,
             const std::string& headers = "") {
  const nlohmann::json body = {{"__type", code}, {"message", message}};
  return Answer::reply(status, body.dump(), headers);
}

TEST(KinesisOutput, SendsASignedPutRecord) {
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::reply(200, kStored); });
  config::Match match = match_to(server.url());
  match.kinesis.aws_ses_token = kToken;
  Hand hand(match);
  const PutResult result = hand.put();
  EXPECT_EQ(result.outcome, Outcome::kCommitted) << result.detail;
  EXPECT_EQ(result.detail, "shardId-000000000000 49");
  const SeenRequest request = server.seen().at(0);
  EXPECT_EQ(request.body, R"({"StreamName":"events","Data":")" + base64_encode("record") +
                              R"(","PartitionKey":"pk"})");
  EXPECT_EQ(request.header("x-amz-target"), "Kinesis_20131202.PutRecord");
  EXPECT_EQ(request.header("content-type"), "application/x-amz-json-1.1");
  EXPECT_EQ(request.header("host"), server.host());
  EXPECT_EQ(request.header("x-amz-security-token"), kToken);
  EXPECT_EQ(request.header("authorization"), expected_authorization(request, kToken));
  EXPECT_THAT(request.header("authorization"), HasSubstr("x-amz-security-token"));
}

TEST(KinesisOutput, SendsCborAndReadsWhatComesBack) {
  const auto stored = nlohmann::json::to_cbor(nlohmann::json::parse(kStored));
  ScriptedHttpServer server([&, count = 0](const SeenRequest&) mutable {
    const std::string type = "Content-Type: application/x-amz-cbor-1.1\r\n";
    if (++count == 1) return error(400, "AccessDeniedException", "said in JSON by a gateway");
    if (count == 2) return Answer::reply(200, kStored, type);  // JSON that calls itself CBOR
    return Answer::reply(200, {stored.begin(), stored.end()}, type);
  });
  config::Match match = match_to(server.url());
  match.kinesis.body_format = config::BodyFormat::kCbor;
  Hand hand(match);
  EXPECT_EQ(hand.put().outcome, Outcome::kNotAuthorized);
  EXPECT_EQ(hand.put().outcome, Outcome::kAmbiguous);
  EXPECT_EQ(hand.put().detail, "shardId-000000000000 49");
  const SeenRequest request = server.seen().at(2);
  EXPECT_EQ(request.body, server.seen().at(0).body);
  EXPECT_EQ(nlohmann::json::from_cbor(request.body).at("Data").get_binary().size(), 6u);
  EXPECT_EQ(request.header("content-type"), "application/x-amz-cbor-1.1");
  EXPECT_EQ(request.header("authorization"), expected_authorization(request, ""));
}

TEST(KinesisOutput, LeavesTheTokenOutWhenThereIsNone) {
  ScriptedHttpServer server([](const SeenRequest&) { return Answer::reply(200, kStored); });
  Hand hand(match_to(server.url()));
  EXPECT_EQ(hand.put().outcome, Outcome::kCommitted);
  const SeenRequest request = server.seen().at(0);
  EXPECT_THAT(request.head, Not(HasSubstr("x-amz-security-token")));
  EXPECT_EQ(request.header("authorization"), expected_authorization(request, ""));
}

// 500, 500, 200: each put is one request, the bytes are the same.
TEST(KinesisOutput, ARetryIsByteIdentical) {
  ScriptedHttpServer server([count = 0](const SeenRequest&) mutable {
    return ++count <= 2 ? error(500, "InternalFailure", "again") : Answer::reply(200, kStored);
  });
  Hand hand(match_to(server.url()));
  EXPECT_EQ(hand.put().outcome, Outcome::kAmbiguous);
  EXPECT_EQ(hand.put().outcome, Outcome::kAmbiguous);
  EXPECT_EQ(hand.put().outcome, Outcome::kCommitted);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].body, seen[1].body);
  EXPECT_EQ(seen[0].body, seen[2].body);
  EXPECT_EQ(seen[2].connection, 1);
}

TEST(KinesisOutput, ASuccessThatNamesNoRecordIsAmbiguous) {
  for (const char* body : {"", "{}", "<html>", R"({"ShardId":"s"})", R"({"SequenceNumber":"1"})",
                           R"({"ShardId":"s","SequenceNumber":"1")"}) {
    ScriptedHttpServer server([&](const SeenRequest&) { return Answer::reply(200, body); });
    Hand hand(match_to(server.url()));
    const PutResult result = hand.put();
    EXPECT_EQ(result.outcome, Outcome::kAmbiguous) << body;
    EXPECT_THAT(result.detail, HasSubstr("ShardId"));
  }
}

TEST(KinesisOutput, ADroppedReplyIsAmbiguousAndARefusedConnectionIsNot) {
  std::string url;
  {
    ScriptedHttpServer server([](const SeenRequest&) { return Answer::drop(); });
    url = server.url();
    Hand hand(match_to(url));
    EXPECT_EQ(hand.put().outcome, Outcome::kAmbiguous);
    EXPECT_EQ(server.seen().size(), 1u);
  }
  Hand hand(match_to(url));
  const PutResult result = hand.put();
  EXPECT_EQ(result.outcome, Outcome::kUnavailable);
  EXPECT_THAT(result.detail, HasSubstr("127.0.0.1"));
}

TEST(KinesisOutput, AKeptConnectionThatDiesIsResentUnseen) {
  ScriptedHttpServer server([first = true](const SeenRequest& request) mutable {
    if (request.connection > 1 || std::exchange(first, false)) return Answer::reply(200, kStored);
    return Answer::drop();
  });
  Hand hand(match_to(server.url()));
  EXPECT_FALSE(hand.put().resent);
  const PutResult result = hand.put();
  EXPECT_EQ(result.outcome, Outcome::kCommitted);
  EXPECT_TRUE(result.resent);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[1].body, seen[2].body);
}

TEST(KinesisOutput, AResendThatFailsTooIsToldAsOne) {
  ScriptedHttpServer server([first = true](const SeenRequest&) mutable {
    return std::exchange(first, false) ? Answer::reply(200, kStored) : Answer::drop();
  });
  Hand hand(match_to(server.url()));
  EXPECT_FALSE(hand.put().resent);
  const PutResult result = hand.put();
  EXPECT_EQ(result.outcome, Outcome::kAmbiguous);
  EXPECT_TRUE(result.resent);
}

TEST(KinesisOutput, LearnsTheServicesClockAndResendsAtOnce) {
  const char* const kServiceDate = "Date: Mon, 01 Jan 2035 00:00:00 GMT\r\n";
  ScriptedHttpServer server([&](const SeenRequest& request) {
    if (request.header("x-amz-date").substr(0, 11) == "20350101T00") {
      return Answer::reply(200, kStored);
    }
    return error(400, "InvalidSignatureException",
                 "Signature expired: 20260101T000000Z is now earlier than 20350101T000000Z",
                 kServiceDate);
  });
  Hand hand(match_to(server.url()));
  EXPECT_EQ(hand.put().outcome, Outcome::kCommitted);
  EXPECT_EQ(server.seen().size(), 2u);
  const auto other = hand.output->make_sender();
  EXPECT_EQ(other->put(delivery_of("record")).outcome, Outcome::kCommitted);
  const auto seen = server.seen();
  ASSERT_EQ(seen.size(), 3u) << "the offset is the output's, not the sender's";
  for (const SeenRequest& request : seen) {
    EXPECT_EQ(request.header("authorization"), expected_authorization(request, ""));
    EXPECT_EQ(request.body, seen[0].body);
  }
}

TEST(KinesisOutput, AClockErrorThatStaysOrHasNoUsableDateIsNotAuthorized) {
  for (const char* date :
       {"", "Date: nonsense\r\n", "Date: Mon, 01 Jan 1990 00:00:00 GMT\r\n",
        "Date: Mon, 01 Jan 9999 00:00:00 GMT\r\n", "Date: Mon, 01 Jan 2035 00:00:00 GMT\r\n"}) {
    ScriptedHttpServer server(
        [&](const SeenRequest&) { return error(403, "RequestExpired", "late", date); });
    Hand hand(match_to(server.url()));
    const PutResult result = hand.put();
    EXPECT_EQ(result.outcome, Outcome::kNotAuthorized);
    EXPECT_GE(result.retry_after_ms, 10'000u);
    EXPECT_THAT(result.detail, HasSubstr("clock"));
    EXPECT_EQ(server.seen().size(), std::string(date).find("2035") == std::string::npos ? 1u : 2u);
  }
}

TEST(KinesisOutput, DetailsHelpAndHideSecrets) {
  ScriptedHttpServer server([](const SeenRequest& request) {
    return error(403, "InvalidSignatureException",
                 "The signature of " + std::string(kKeyId) + " with " + kToken + " is wrong.\n" +
                     "The Canonical String: " + request.header("x-amz-security-token") + "\n" +
                     kSecret,
                 "x-amzn-RequestId: 1234-5678\r\n");
  });
  config::Match match = match_to(server.url());
  match.kinesis.aws_ses_token = kToken;
  Hand hand(match);
  const PutResult result = hand.put();
  EXPECT_EQ(result.outcome, Outcome::kNotAuthorized);
  EXPECT_THAT(result.detail, HasSubstr("InvalidSignatureException: The signature of **** with"));
  EXPECT_THAT(result.detail, HasSubstr("check aws_sec_key and region"));
  EXPECT_THAT(result.detail, HasSubstr("(status 403, request 1234-5678)"));
  for (const char* hidden : {kKeyId, kSecret, kToken, "Canonical"}) {
    EXPECT_THAT(result.detail, Not(HasSubstr(hidden)));
  }
}

TEST(KinesisOutput, AQuotedAuthorizationIsNotShown) {
  ScriptedHttpServer server([](const SeenRequest& request) {
    return error(403, "IncompleteSignatureException",
                 "Authorization header requires 'Credential' parameter. Authorization=" +
                     request.header("authorization"),
                 "");
  });
  const PutResult result = Hand(match_to(server.url())).put();
  EXPECT_THAT(result.detail, HasSubstr("requires 'Credential' parameter. Authorization=****"));
  EXPECT_THAT(result.detail, HasSubstr("(status 403"));
  for (const char* hidden : {"HMAC", "Signature=", "SignedHeaders"}) {
    EXPECT_THAT(result.detail, Not(HasSubstr(hidden)));
  }
}

TEST(KinesisOutput, HonoursRetryAfterWithinReason) {
  for (const auto& [header, expected] :
       std::vector<std::pair<std::string, uint64_t>>{{"2500", 2'500},
                                                     {"0", 0},
                                                     {"-1", 0},
                                                     {"soon", 0},
                                                     {"99999999999", 60'000},
                                                     {"999999999999999999999999", 0}}) {
    ScriptedHttpServer server([&, value = header](const SeenRequest&) {
      return error(400, "ProvisionedThroughputExceededException", "Rate exceeded",
                   "x-amz-retry-after: " + value + "\r\n");
    });
    Hand hand(match_to(server.url()));
    const PutResult result = hand.put();
    EXPECT_EQ(result.outcome, Outcome::kThrottled);
    EXPECT_EQ(result.retry_after_ms, expected) << header;
  }
}

TEST(KinesisOutput, NamesTheProxyThatAnswersInstead) {
  for (const int status : {403, 407}) {
    ScriptedHttpServer proxy([&](const SeenRequest&) { return Answer::reply(status, "<html>"); });
    config::Match match = match_to("http://kinesis.example.invalid");
    match.kinesis.http_proxy = "http://user:pa55word@" + proxy.host();
    Hand hand(match);
    const PutResult result = hand.put();
    EXPECT_EQ(result.outcome, Outcome::kUnavailable);
    EXPECT_GE(result.retry_after_ms, 10'000u);
    EXPECT_THAT(result.detail, HasSubstr("proxy http://" + proxy.host()));
    EXPECT_THAT(result.detail, Not(HasSubstr("pa55word")));
    // The same over a tunnel, which fails before anything is sent.
    match.kinesis.endpoint = "https://kinesis.example.invalid";
    Hand tunnel(match);
    const PutResult refused = tunnel.put();
    EXPECT_EQ(refused.outcome, Outcome::kUnavailable);
    EXPECT_GE(refused.retry_after_ms, 10'000u);
    EXPECT_THAT(refused.detail, HasSubstr("proxy http://" + proxy.host()));
    EXPECT_THAT(refused.detail, Not(HasSubstr("pa55word")));
  }
}

TEST(KinesisOutput, InterruptEndsAPut) {
  std::mutex mutex;
  std::condition_variable arrived;
  bool here = false;
  ScriptedHttpServer server([&](const SeenRequest&) {
    const std::lock_guard lock(mutex);
    here = true;
    arrived.notify_one();
    return Answer::silence();
  });
  Hand hand(match_to(server.url()));
  std::thread stopper([&] {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return here; });
    hand.sender->interrupt();
  });
  EXPECT_EQ(hand.put().outcome, Outcome::kAmbiguous);
  stopper.join();
  EXPECT_EQ(hand.put().outcome, Outcome::kUnavailable);
}

TEST(KinesisOutput, RefusesWhatCannotWork) {
  const auto error_of = [](auto change) {
    config::Match match = match_to("http://127.0.0.1:1");
    change(match);
    const auto made = make_kinesis_output(match, no_environment);
    return made ? std::string("made") : made.error().message;
  };
  EXPECT_EQ(error_of([](config::Match&) {}), "made");
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.stream_name = ""; }),
              HasSubstr("stream_name"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.stream_name = "a\"b"; }),
              HasSubstr("stream_name"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.stream_name = std::string(129, 'a'); }),
              HasSubstr("stream_name"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.region = ""; }), HasSubstr("region"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.endpoint = "x"; }), HasSubstr("endpoint"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.aws_sec_key = ""; }),
              HasSubstr("aws_sec_key"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.http_proxy = "x://y"; }),
              HasSubstr("http_proxy"));
  EXPECT_THAT(error_of([](config::Match& m) { m.kinesis.ca_file = "/nonexistent.pem"; }),
              HasSubstr("ca_file /nonexistent.pem"));
  EXPECT_THAT(error_of([](config::Match& m) { m.format.fixed_partition_key = "\xed\xa0\x80"; }),
              HasSubstr("fixed_partition_key"));
  EXPECT_THAT(error_of([](config::Match& m) {
                m.format.fixed_partition_key.clear();
                for (int i = 0; i < 257; ++i) m.format.fixed_partition_key += "\xc3\xa9";
              }),
              HasSubstr("fixed_partition_key"));
  EXPECT_EQ(error_of([](config::Match& m) {
              m.format.fixed_partition_key.clear();
              for (int i = 0; i < 256; ++i) m.format.fixed_partition_key += "\xc3\xa9";
            }),
            "made");
}

TEST(KinesisOutput, NamesItsTarget) {
  config::Match match = match_to("");
  const auto made = make_kinesis_output(match, no_environment);
  ASSERT_TRUE(made);
  EXPECT_EQ((*made)->target(), "stream events at https://kinesis.us-east-1.amazonaws.com/");
}

}  // namespace
}  // namespace millrace::output
