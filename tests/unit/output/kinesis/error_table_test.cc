// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/error_table.h"

#include <gtest/gtest.h>

namespace millrace::output {
namespace {

Judgement of(int status, const std::string& code, const std::string& message = "") {
  PutRecordReply reply;
  reply.well_formed = true;
  reply.error_code = code;
  reply.message = message;
  return judge(status, reply);
}

TEST(ErrorTable, Codes) {
  struct Case {
    const char* code;
    Outcome outcome;
    uint64_t retry_after_ms;
  };
  const Case cases[] = {
      {"ProvisionedThroughputExceededException", Outcome::kThrottled, 0},
      {"LimitExceededException", Outcome::kThrottled, 1'000},
      {"ThrottlingException", Outcome::kThrottled, 1'000},
      {"RequestLimitExceeded", Outcome::kThrottled, 1'000},
      {"KMSThrottlingException", Outcome::kThrottled, 1'000},
      {"InternalFailure", Outcome::kAmbiguous, 0},
      {"InternalFailureException", Outcome::kAmbiguous, 0},
      {"ServiceUnavailable", Outcome::kAmbiguous, 0},
      {"RequestTimeout", Outcome::kAmbiguous, 0},
      {"ExpiredTokenException", Outcome::kNotAuthorized, kSlowRetryMs},
      {"UnrecognizedClientException", Outcome::kNotAuthorized, kSlowRetryMs},
      {"InvalidClientTokenId", Outcome::kNotAuthorized, kSlowRetryMs},
      {"InvalidSignatureException", Outcome::kNotAuthorized, kSlowRetryMs},
      {"IncompleteSignature", Outcome::kNotAuthorized, kSlowRetryMs},
      {"MissingAuthenticationTokenException", Outcome::kNotAuthorized, kSlowRetryMs},
      {"AccessDeniedException", Outcome::kNotAuthorized, kSlowRetryMs},
      {"KMSAccessDeniedException", Outcome::kNotAuthorized, kSlowRetryMs},
      {"ResourceNotFoundException", Outcome::kUnavailable, kSlowRetryMs},
      {"KMSDisabledException", Outcome::kUnavailable, kSlowRetryMs},
      {"InvalidArgumentException", Outcome::kRejected, 0},
      {"ValidationException", Outcome::kRejected, 0},
      {"SerializationException", Outcome::kRejected, 0},
  };
  for (const Case& c : cases) {
    for (const int status : {400, 403, 500}) {
      const Judgement judgement = of(status, c.code);
      EXPECT_EQ(judgement.outcome, c.outcome) << c.code << " " << status;
      EXPECT_EQ(judgement.retry_after_ms, c.retry_after_ms) << c.code;
      EXPECT_FALSE(judgement.intermediary) << c.code;
      EXPECT_FALSE(judgement.clock_wrong) << c.code;
    }
  }
}

TEST(ErrorTable, ClockErrors) {
  EXPECT_TRUE(of(400, "InvalidSignatureException",
                 "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z")
                  .clock_wrong);
  EXPECT_TRUE(of(403, "InvalidSignatureException", "Signature not yet current: 2026").clock_wrong);
  EXPECT_TRUE(of(403, "RequestExpired").clock_wrong);
  EXPECT_TRUE(of(403, "RequestInTheFuture").clock_wrong);
  EXPECT_FALSE(of(403, "InvalidSignatureException", "The request signature we calculated does not")
                   .clock_wrong);
  EXPECT_EQ(of(403, "RequestExpired").outcome, Outcome::kNotAuthorized);
}

TEST(ErrorTable, StatusesWithoutAKnownCode) {
  struct Case {
    int status;
    const char* code;
    Outcome outcome;
    bool slow;
  };
  const Case cases[] = {
      {500, "", Outcome::kAmbiguous, false},
      {502, "", Outcome::kAmbiguous, false},
      {503, "", Outcome::kAmbiguous, false},
      {504, "", Outcome::kAmbiguous, false},
      {599, "NewException", Outcome::kAmbiguous, false},
      {204, "", Outcome::kAmbiguous, false},
      {0, "", Outcome::kAmbiguous, false},
      {408, "", Outcome::kAmbiguous, false},
      {301, "", Outcome::kUnavailable, true},
      {307, "", Outcome::kUnavailable, true},
      {400, "", Outcome::kUnavailable, true},
      {400, "NewException", Outcome::kUnavailable, false},
      {401, "", Outcome::kNotAuthorized, true},
      {403, "", Outcome::kUnavailable, true},
      {403, "NewException", Outcome::kNotAuthorized, true},
      {404, "", Outcome::kUnavailable, true},
      {407, "", Outcome::kUnavailable, true},
      {413, "", Outcome::kRejected, false},
  };
  for (const Case& c : cases) {
    const Judgement judgement = of(c.status, c.code);
    EXPECT_EQ(judgement.outcome, c.outcome) << c.status << c.code;
    EXPECT_EQ(judgement.retry_after_ms, c.slow ? kSlowRetryMs : 0) << c.status << c.code;
    EXPECT_EQ(judgement.intermediary, std::string(c.code).empty()) << c.status;
  }
  EXPECT_EQ(of(429, "").outcome, Outcome::kThrottled);
}

TEST(ErrorTable, SuccessNeedsShardAndSequenceNumber) {
  EXPECT_EQ(judge(200, {true, "shardId-0", "1", "", ""}).outcome, Outcome::kCommitted);
  EXPECT_EQ(judge(200, {true, "", "1", "", ""}).outcome, Outcome::kAmbiguous);
  EXPECT_EQ(judge(200, {true, "shardId-0", "", "", ""}).outcome, Outcome::kAmbiguous);
  EXPECT_EQ(judge(200, {}).outcome, Outcome::kAmbiguous);
  EXPECT_EQ(judge(201, {true, "shardId-0", "1", "", ""}).outcome, Outcome::kAmbiguous);
  EXPECT_EQ(judge(200, {true, "", "", "ValidationException", ""}).outcome, Outcome::kAmbiguous);
}

}  // namespace
}  // namespace millrace::output
