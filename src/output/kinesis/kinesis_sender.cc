// SPDX-License-Identifier: Apache-2.0
#include "output/kinesis/kinesis_sender.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>
#include <vector>

#include "base/log.h"
#include "http/proxy_url.h"

namespace millrace::output {
namespace {

constexpr std::string_view kOperation = "Kinesis_20131202.PutRecord";
constexpr uint64_t kRetryAfterMsMax = 60'000;
constexpr size_t kMessageBytesMax = 300;
constexpr int64_t kYear2000S = 946'684'800;
constexpr int64_t kYear2100S = 4'102'444'800;

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// The header x-amz-retry-after, in milliseconds; 0 if it is absent or no number.
uint64_t retry_after_ms(const http::Reply& reply) {
  const std::string_view text = reply.header("x-amz-retry-after");
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return 0;
  return std::min(value, kRetryAfterMsMax);
}

void replace_all(std::string& text, std::string_view what) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), "****");
    at += 4;
  }
}

std::string header_line(std::string_view name, std::string_view value) {
  return std::string(name).append(": ").append(value);
}

}  // namespace

bool ClockOffset::learn(int64_t service_s, int64_t local_s) {
  if (service_s < kYear2000S || service_s >= kYear2100S) return false;
  const int64_t offset = service_s - local_s;
  seconds_.store(offset, std::memory_order_relaxed);
  log::warn(
      "output",
      "the service refused our time: this machine's clock is wrong; signing with the service's",
      {{"offset_s", offset}});
  return true;
}

KinesisSender::KinesisSender(const KinesisTarget& target, ClockOffset& clock)
    : target_(target),
      clock_(clock),
      client_(target.client),
      signer_(target.credentials, target.region, "kinesis"),
      body_(target.stream_name, target.body_format) {}

PutResult KinesisSender::put(const Delivery& delivery) {
  body_.build(delivery.partition_key, delivery.record);
  for (bool corrected = false;; corrected = true) {
    const auto reply = client_.perform(signed_request());
    if (!reply) return transport_failed(reply.error());
    const PutRecordReply said = parse_put_record_reply(
        reply->body, reply->header("x-amzn-errortype"), reply->header("content-type"));
    const Judgement judgement = judge(reply->status, said);
    if (judgement.clock_wrong && !corrected && reply->date_s &&
        clock_.learn(*reply->date_s, now_s())) {
      continue;
    }
    return judged(*reply, said, judgement);
  }
}

http::Request KinesisSender::signed_request() {
  const std::string_view type = content_type(body_.format());
  const std::string date = aws::amz_date(now_s() + clock_.seconds());
  const std::string_view token = signer_.credentials().session_token.reveal();
  std::vector<aws::SignedHeader> headers = {
      {"content-type", type}, {"host", target_.endpoint.host}, {"x-amz-date", date}};
  if (!token.empty()) headers.push_back({"x-amz-security-token", token});
  headers.push_back({"x-amz-target", kOperation});

  http::Request request;
  request.url = target_.endpoint.url;
  request.body = body_.text();
  for (const aws::SignedHeader& header : headers) {
    request.headers.push_back(header_line(header.name, header.value));
  }
  request.headers.push_back(header_line(
      "Authorization", signer_.authorization("POST", "/", headers, date, body_.hash())));
  return request;
}

PutResult KinesisSender::transport_failed(const http::TransportError& error) const {
  PutResult result;
  result.outcome = error.kind == http::TransportError::Kind::kNotSent ? Outcome::kUnavailable
                                                                      : Outcome::kAmbiguous;
  result.resent = error.resent;
  result.detail = without_secrets(target_.endpoint.host + ": " + error.message);
  if (error.proxy_status != 0 || error.untrusted) result.retry_after_ms = kSlowRetryMs;
  if (error.proxy_status == 407) result.detail += "; check user and password of http_proxy";
  if (error.untrusted) result.detail += "; give the issuer's certificate with ca_file";
  return result;
}

PutResult KinesisSender::judged(const http::Reply& reply, const PutRecordReply& said,
                                const Judgement& judgement) const {
  PutResult result;
  result.outcome = judgement.outcome;
  result.resent = reply.resent;
  if (result.outcome == Outcome::kCommitted) {
    result.detail = said.shard_id + " " + said.sequence_number;
    return result;
  }
  result.retry_after_ms = std::max(judgement.retry_after_ms, retry_after_ms(reply));
  result.detail = described(reply, said, judgement);
  return result;
}

// "Code: message; advice (status 400, request id)".
std::string KinesisSender::described(const http::Reply& reply, const PutRecordReply& said,
                                     const Judgement& judgement) const {
  std::string text = said.error_code;
  if (text.empty()) {
    text = reply.status == 200
               ? "a success without ShardId and SequenceNumber"
               : "status " + std::to_string(reply.status) + " without an error of Kinesis";
  }
  // The message of a refused signature goes on, on new lines, with the headers that were signed,
  // the session token among them.
  const auto control = std::find_if(said.message.begin(), said.message.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < ' '; });
  std::string message(said.message.begin(), control);
  // One that cannot be read is quoted: Authorization=AWS4-HMAC-SHA256 ...
  const size_t authorization = message.find("AWS4-HMAC-SHA256");
  if (authorization != std::string::npos) message.replace(authorization, std::string::npos, "****");
  if (!message.empty() && message.back() == '.') message.pop_back();  // advice follows
  if (!message.empty()) text += ": " + message.substr(0, kMessageBytesMax);
  if (judgement.intermediary) text += proxy_name();
  if (!judgement.advice.empty()) text.append("; ").append(judgement.advice);
  text += " (status " + std::to_string(reply.status);
  const std::string_view id = reply.header("x-amzn-requestid");
  if (!id.empty()) text.append(", request ").append(id.substr(0, 64));
  return without_secrets(text + ")");
}

std::string KinesisSender::without_secrets(std::string text) const {
  const aws::Credentials& own = target_.credentials;
  for (const aws::Secret* secret : {&own.session_token, &own.secret_key, &own.key_id}) {
    replace_all(text, secret->reveal());
  }
  return text;
}

std::string KinesisSender::proxy_name() const {
  return target_.client.proxy.empty()
             ? " from " + target_.endpoint.host + " or a proxy before it"
             : ", perhaps from the proxy " + http::without_user(target_.client.proxy);
}

}  // namespace millrace::output
