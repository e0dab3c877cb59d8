// SPDX-License-Identifier: Apache-2.0
#pragma once

// Signature Version 4 (AWS4-HMAC-SHA256) of a request with an empty query, as the AWS documentation
// "Create a signed AWS API request" and botocore's auth.py have it. Pure: time, body hash and
// headers are handed in. Does not read credentials or send anything.
// Signer keeps the signing key, which holds for one day; one Signer per thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "aws/credentials.h"
#include "base/digest.h"

namespace millrace::aws {

/// A header to be signed: the name in lower case, the value without blanks around it.
struct SignedHeader {
  std::string_view name;
  std::string_view value;
};

/// 20260101T000000Z of seconds since 1970, which must lie in the years 1970 to 9999.
std::string amz_date(int64_t unix_s);

/// `headers` in ascending order of their names.
std::string canonical_request(std::string_view method, std::string_view path,
                              std::span<const SignedHeader> headers, const Sha256Bytes& body_hash);

/// The key of a day (`date` is its first eight characters), region and service.
Sha256Bytes signing_key(std::string_view secret_key, std::string_view date, std::string_view region,
                        std::string_view service);

class Signer {
 public:
  Signer(Credentials credentials, std::string region, std::string service);

  /// The value of the Authorization header. `headers` as for canonical_request, with `host` and
  /// `x-amz-date` among them, the latter equal to `date`.
  std::string authorization(std::string_view method, std::string_view path,
                            std::span<const SignedHeader> headers, std::string_view date,
                            const Sha256Bytes& body_hash);

  const Credentials& credentials() const { return credentials_; }

 private:
  Credentials credentials_;
  std::string region_;
  std::string service_;
  Digest digest_;
  std::string key_date_;  // the day of key_
  Sha256Bytes key_{};
};

}  // namespace millrace::aws
