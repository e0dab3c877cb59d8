// SPDX-License-Identifier: Apache-2.0
#include "aws/sigv4.h"

#include <ctime>
#include <utility>

#include "base/check.h"
#include "base/encoding.h"

namespace millrace::aws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr size_t kDayBytes = 8;  // of 20260101T000000Z

std::string_view view(const Sha256Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string names_of(std::span<const SignedHeader> headers) {
  std::string names;
  for (const SignedHeader& header : headers) {
    if (!names.empty()) names += ';';
    names += header.name;
  }
  return names;
}

}  // namespace

std::string amz_date(int64_t unix_s) {
  const std::time_t seconds = unix_s;
  std::tm parts{};
  CHECK(gmtime_r(&seconds, &parts) != nullptr);
  char text[32];
  CHECK(std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts) == 16);
  return text;
}

std::string canonical_request(std::string_view method, std::string_view path,
                              std::span<const SignedHeader> headers, const Sha256Bytes& body_hash) {
  std::string text;
  text.append(method).append("\n").append(path).append("\n\n");  // the query is empty
  std::string_view last;
  for (const SignedHeader& header : headers) {
    CHECK(last < header.name);
    last = header.name;
    text.append(header.name).append(":").append(header.value).append("\n");
  }
  text.append("\n").append(names_of(headers)).append("\n").append(hex_encode(view(body_hash)));
  return text;
}

Sha256Bytes signing_key(std::string_view secret_key, std::string_view date, std::string_view region,
                        std::string_view service) {
  const std::string start = "AWS4" + std::string(secret_key);
  Sha256Bytes key = hmac_sha256(start, date);
  for (const std::string_view part : {region, service, std::string_view("aws4_request")}) {
    key = hmac_sha256(view(key), part);
  }
  return key;
}

Signer::Signer(Credentials credentials, std::string region, std::string service)
    : credentials_(std::move(credentials)),
      region_(std::move(region)),
      service_(std::move(service)),
      digest_(Digest::sha256()) {}

std::string Signer::authorization(std::string_view method, std::string_view path,
                                  std::span<const SignedHeader> headers, std::string_view date,
                                  const Sha256Bytes& body_hash) {
  const std::string_view day = date.substr(0, kDayBytes);
  if (key_date_ != day) {
    key_ = signing_key(credentials_.secret_key.reveal(), day, region_, service_);
    key_date_ = std::string(day);
  }
  Sha256Bytes request_hash;
  digest_.start();
  digest_.update(canonical_request(method, path, headers, body_hash));
  digest_.finish(request_hash.data());

  std::string scope(day);
  scope.append("/").append(region_).append("/").append(service_).append("/aws4_request");
  std::string to_sign(kAlgorithm);
  to_sign.append("\n").append(date).append("\n").append(scope).append("\n").append(
      hex_encode(view(request_hash)));

  std::string value(kAlgorithm);
  value.append(" Credential=").append(credentials_.key_id.reveal()).append("/").append(scope);
  value.append(", SignedHeaders=").append(names_of(headers));
  value.append(", Signature=").append(hex_encode(view(hmac_sha256(view(key_), to_sign))));
  return value;
}

}  // namespace millrace::aws
