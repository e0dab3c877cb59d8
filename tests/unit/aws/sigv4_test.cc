// SPDX-License-Identifier: Apache-2.0
// The expected values were computed with botocore 1.29 (auth.py, SigV4Auth).
#include "aws/sigv4.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/encoding.h"

namespace millrace::aws {
namespace {

constexpr char kBody[] =
    R"({"StreamName":"s","Data":"84mawgoCcGsaCwgAGgd7ImEiOjF9bLddcP3skLFNkgUfHwebgw==","PartitionKey":"pk"})";
constexpr char kDate[] = "20260101T000000Z";

std::string hex(const Sha256Bytes& bytes) {
  return hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Credentials example(const char* token) {
  return {Secret("AKIDEXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret(token)};
}

std::vector<SignedHeader> headers(bool with_token) {
  std::vector<SignedHeader> list = {{"content-type", "application/x-amz-json-1.1"},
                                    {"host", "kinesis.us-east-1.amazonaws.com"},
                                    {"x-amz-date", kDate}};
  if (with_token) list.push_back({"x-amz-security-token", "TOKEN"});
  list.push_back({"x-amz-target", "Kinesis_20131202.PutRecord"});
  return list;
}

TEST(SigV4, GoldenHashes) {
  EXPECT_EQ(hex(sha256(kBody)), "6ef189d48812766553d537ff5ae72d3520af74d40cece7d925ca2343194115ce");
  EXPECT_EQ(hex(sha256(canonical_request("POST", "/", headers(false), sha256(kBody)))),
            "4cacc11b7d358716e2160783cec7142bb3200838a588b5cbfc37ebc6bda7f7aa");
  EXPECT_EQ(hex(sha256(canonical_request("POST", "/", headers(true), sha256(kBody)))),
            "54bf59926837bf6802461bdb58933f696f7020dac3ffacce02cf9dcd7cbed3f1");
  EXPECT_EQ(hex(signing_key(example("").secret_key.reveal(), "20260101", "us-east-1", "kinesis")),
            "0cc656bd5784d7d331f166f9dfd3be5c3b69031344eb4aa784818d6b66a0b97f");
}

TEST(SigV4, GoldenSignature) {
  Signer signer(example(""), "us-east-1", "kinesis");
  EXPECT_EQ(signer.authorization("POST", "/", headers(false), kDate, sha256(kBody)),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/kinesis/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
            "Signature=aa0bb736cea5493449f1d74287ca50dee6a3c653de731fec9a63c9103c93f540");
}

TEST(SigV4, GoldenSignatureWithToken) {
  Signer signer(example("TOKEN"), "us-east-1", "kinesis");
  EXPECT_EQ(signer.authorization("POST", "/", headers(true), kDate, sha256(kBody)),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/kinesis/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
            "Signature=fe2bcfcb842dd6069b035925592899f83bd82734ac72302d60cf752a88940e6a");
}

TEST(SigV4, TheKeyFollowsTheDay) {
  std::vector<SignedHeader> list = headers(false);
  Signer used(example(""), "us-east-1", "kinesis");
  const std::string first = used.authorization("POST", "/", list, kDate, sha256(kBody));
  list[2].value = "20260102T000000Z";
  const std::string next = used.authorization("POST", "/", list, list[2].value, sha256(kBody));
  Signer fresh(example(""), "us-east-1", "kinesis");
  EXPECT_EQ(next, fresh.authorization("POST", "/", list, list[2].value, sha256(kBody)));
  EXPECT_EQ(first, used.authorization("POST", "/", headers(false), kDate, sha256(kBody)));
}

TEST(SigV4, Date) {
  EXPECT_EQ(amz_date(0), "19700101T000000Z");
  EXPECT_EQ(amz_date(1767225600), kDate);
  EXPECT_EQ(amz_date(1709210096), "20240229T123456Z");
}

}  // namespace
}  // namespace millrace::aws
