// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/error_table.h"

#include <string>

namespace millrace::output {
namespace {

constexpr uint64_t kAccountThrottleMs = 1'000;  // account-wide limits clear more slowly

// What is known of a code beyond its outcome.
enum class Note : uint8_t { kNone, kClock, kSignature };

struct Row {
  std::string_view code;
  Outcome outcome;
  uint64_t retry_after_ms = 0;
  Note note = Note::kNone;
  std::string_view advice = {};
};

constexpr std::string_view kKeysWrong = "check aws_key_id, aws_sec_key and aws_ses_token";
constexpr std::string_view kTokenOld = "the session token has expired: give a new one and restart";
constexpr std::string_view kSignWrong = "check aws_sec_key and region";
constexpr std::string_view kPermission =
    "allow kinesis:PutRecord on the stream, and kms:GenerateDataKey on its key";
constexpr std::string_view kStream = "check stream_name and region";
constexpr std::string_view kKmsKey = "check the KMS key of the stream";
constexpr std::string_view kEndpoint = "check endpoint: what answers there is not Kinesis";
constexpr std::string_view kClock = "check the clock of this machine";

constexpr Row kRows[] = {
    {"ProvisionedThroughputExceededException", Outcome::kThrottled},
    {"LimitExceededException", Outcome::kThrottled, kAccountThrottleMs},
    {"ThrottlingException", Outcome::kThrottled, kAccountThrottleMs},
    {"Throttling", Outcome::kThrottled, kAccountThrottleMs},
    {"ThrottledException", Outcome::kThrottled, kAccountThrottleMs},
    {"RequestLimitExceeded", Outcome::kThrottled, kAccountThrottleMs},
    {"RequestThrottled", Outcome::kThrottled, kAccountThrottleMs},
    {"RequestThrottledException", Outcome::kThrottled, kAccountThrottleMs},
    {"TooManyRequestsException", Outcome::kThrottled, kAccountThrottleMs},
    {"TooManyRequests", Outcome::kThrottled, kAccountThrottleMs},
    {"KMSThrottlingException", Outcome::kThrottled, kAccountThrottleMs},

    {"InternalFailure", Outcome::kAmbiguous},
    {"InternalFailureException", Outcome::kAmbiguous},
    {"InternalServerError", Outcome::kAmbiguous},
    {"InternalServerException", Outcome::kAmbiguous},
    {"ServiceUnavailable", Outcome::kAmbiguous},
    {"ServiceUnavailableException", Outcome::kAmbiguous},
    {"RequestTimeout", Outcome::kAmbiguous},
    {"RequestTimeoutException", Outcome::kAmbiguous},

    {"ExpiredTokenException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kTokenOld},
    {"ExpiredToken", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kTokenOld},
    {"UnrecognizedClientException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kKeysWrong},
    {"InvalidClientTokenId", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kKeysWrong},
    {"MissingAuthenticationToken", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kKeysWrong},
    {"MissingAuthenticationTokenException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone,
     kKeysWrong},
    {"InvalidSignatureException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kSignature,
     kSignWrong},
    {"SignatureDoesNotMatch", Outcome::kNotAuthorized, kSlowRetryMs, Note::kSignature, kSignWrong},
    {"IncompleteSignature", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kSignWrong},
    {"IncompleteSignatureException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone,
     kSignWrong},
    {"RequestExpired", Outcome::kNotAuthorized, kSlowRetryMs, Note::kClock, kClock},
    {"RequestInTheFuture", Outcome::kNotAuthorized, kSlowRetryMs, Note::kClock, kClock},
    {"RequestTimeTooSkewed", Outcome::kNotAuthorized, kSlowRetryMs, Note::kClock, kClock},
    {"AccessDeniedException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kPermission},
    {"AccessDenied", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kPermission},
    {"NotAuthorized", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kPermission},
    {"OptInRequired", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kPermission},
    {"KMSAccessDeniedException", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kPermission},
    {"KMSOptInRequired", Outcome::kNotAuthorized, kSlowRetryMs, Note::kNone, kKmsKey},

    {"ResourceNotFoundException", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kStream},
    {"ResourceInUseException", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kStream},
    {"KMSInvalidStateException", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kKmsKey},
    {"KMSDisabledException", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kKmsKey},
    {"KMSNotFoundException", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kKmsKey},
    {"UnknownOperationException", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kEndpoint},
    {"InvalidAction", Outcome::kUnavailable, kSlowRetryMs, Note::kNone, kEndpoint},

    {"InvalidArgumentException", Outcome::kRejected},
    {"ValidationException", Outcome::kRejected},
    {"ValidationError", Outcome::kRejected},
    {"SerializationException", Outcome::kRejected},
    {"RequestEntityTooLarge", Outcome::kRejected},
    {"RequestEntityTooLargeException", Outcome::kRejected},
};

const Row* find_row(std::string_view code) {
  for (const Row& row : kRows) {
    if (row.code == code) return &row;
  }
  return nullptr;
}

// Kinesis says a wrong clock with InvalidSignatureException too; only the message tells.
bool speaks_of_time(std::string_view message) {
  for (const std::string_view phrase : {"Signature expired", "Signature not yet current"}) {
    if (message.find(phrase) != std::string_view::npos) return true;
  }
  return false;
}

Judgement by_row(const Row& row, std::string_view message) {
  Judgement judgement;
  judgement.outcome = row.outcome;
  judgement.retry_after_ms = row.retry_after_ms;
  judgement.clock_wrong =
      row.note == Note::kClock || (row.note == Note::kSignature && speaks_of_time(message));
  judgement.advice = judgement.clock_wrong ? kClock : row.advice;
  return judgement;
}

// A status without a code that the table knows.
Judgement by_status(int status, bool kinesis_spoke) {
  Judgement judgement;
  judgement.intermediary = !kinesis_spoke;
  if (status >= 500 || status < 300 || status == 408) return judgement;  // kAmbiguous
  if (status == 429) {
    judgement.outcome = Outcome::kThrottled;
    judgement.retry_after_ms = kAccountThrottleMs;
  } else if (status == 413) {
    judgement.outcome = Outcome::kRejected;
  } else if (status == 401 || (status == 403 && kinesis_spoke)) {
    judgement.outcome = Outcome::kNotAuthorized;
    judgement.retry_after_ms = kSlowRetryMs;
  } else {
    judgement.outcome = Outcome::kUnavailable;
    if (status < 400) {
      judgement.advice = "redirects are not followed: check endpoint";
      judgement.retry_after_ms = kSlowRetryMs;
    } else if (status == 407) {
      judgement.advice = "check user and password of http_proxy";
      judgement.retry_after_ms = kSlowRetryMs;
    } else if (!kinesis_spoke) {
      judgement.advice = kEndpoint;
      judgement.retry_after_ms = kSlowRetryMs;
    }
  }
  return judgement;
}

}  // namespace

Judgement judge(int status, const PutRecordReply& reply) {
  if (status == 200) {
    // A 200 that does not name the stored record proves nothing.
    const bool stored = !reply.shard_id.empty() && !reply.sequence_number.empty();
    Judgement judgement;
    judgement.outcome = stored ? Outcome::kCommitted : Outcome::kAmbiguous;
    judgement.intermediary = !reply.well_formed;
    return judgement;
  }
  if (const Row* row = find_row(reply.error_code)) return by_row(*row, reply.message);
  return by_status(status, !reply.error_code.empty());
}

}  // namespace millrace::output
