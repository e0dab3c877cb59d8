// SPDX-License-Identifier: Apache-2.0
#include "aws/credentials.h"

namespace millrace::aws {
namespace {

constexpr size_t kValueBytesMax = 16 << 10;  // session tokens have no stated limit; headers do

// A value together with the name under which an operator knows it.
struct Named {
  const char* name;
  const std::string& value;
};

Result<> check_value(const Named& part) {
  if (part.value.size() > kValueBytesMax) {
    return fail(ErrorKind::kInvalid, std::string(part.name) + " is longer than any such value");
  }
  for (const char c : part.value) {
    if (c <= ' ' || c > '~') {
      return fail(ErrorKind::kInvalid, std::string(part.name) +
                                           " holds a blank, a line end or another character that "
                                           "no such value has");
    }
  }
  return {};
}

Result<Credentials> pair_up(const Named& key_id, const Named& secret, const Named& token) {
  for (const Named* part : {&key_id, &secret, &token}) {
    if (auto checked = check_value(*part); !checked) {
      return tl::unexpected<Error>(checked.error());
    }
  }
  if (key_id.value.empty() || secret.value.empty()) {
    const Named& there = !key_id.value.empty() ? key_id : !secret.value.empty() ? secret : token;
    const Named& missing = key_id.value.empty() ? key_id : secret;
    return fail(ErrorKind::kInvalid,
                std::string(there.name) + " is set, but " + missing.name + " is not");
  }
  return Credentials{Secret(key_id.value), Secret(secret.value), Secret(token.value)};
}

}  // namespace

Result<Credentials> find_credentials(const CredentialOptions& options,
                                     const Environment& environment) {
  if (!options.aws_key_id.empty() || !options.aws_sec_key.empty() ||
      !options.aws_ses_token.empty()) {
    return pair_up({"aws_key_id", options.aws_key_id}, {"aws_sec_key", options.aws_sec_key},
                   {"aws_ses_token", options.aws_ses_token});
  }
  const std::string key_id = environment("AWS_ACCESS_KEY_ID");
  const std::string secret = environment("AWS_SECRET_ACCESS_KEY");
  if (key_id.empty() && secret.empty()) {
    return fail(ErrorKind::kNotFound,
                "no AWS credentials: set aws_key_id and aws_sec_key, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY in the environment");
  }
  const std::string token = environment("AWS_SESSION_TOKEN");
  const std::string old_token = environment("AWS_SECURITY_TOKEN");
  const Named named_token =
      token.empty() ? Named{"AWS_SECURITY_TOKEN", old_token} : Named{"AWS_SESSION_TOKEN", token};
  return pair_up({"AWS_ACCESS_KEY_ID", key_id}, {"AWS_SECRET_ACCESS_KEY", secret}, named_token);
}

}  // namespace millrace::aws
