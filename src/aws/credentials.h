// SPDX-License-Identifier: Apache-2.0
#pragma once

// Credentials: what signs requests, from the configuration or else from the environment
// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or its old name AWS_SECURITY_TOKEN).
// They do not change while the program runs. Secrets print as stars; no error shows a value.
// Invariant: key_id and secret_key are never empty. Values; any thread.

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "aws/environment.h"
#include "base/result.h"

namespace millrace::aws {

/// A string that shows itself only to reveal().
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  std::string_view reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  friend std::ostream& operator<<(std::ostream& out, const Secret&) { return out << "****"; }

 private:
  std::string value_;
};

struct Credentials {
  Secret key_id;
  Secret secret_key;
  Secret session_token;  // empty for keys of long life
};

/// The options of the configuration; empty: not given.
struct CredentialOptions {
  std::string aws_key_id;
  std::string aws_sec_key;
  std::string aws_ses_token;
};

/// The configured keys, else the environment's. Half a pair is an error, as is a value with
/// characters that no key has: it would end up in a header.
Result<Credentials> find_credentials(const CredentialOptions& options,
                                     const Environment& environment);

}  // namespace millrace::aws
