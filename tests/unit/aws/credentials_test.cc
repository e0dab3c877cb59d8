// SPDX-License-Identifier: Apache-2.0
#include "aws/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace millrace::aws {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Environment variables(std::map<std::string, std::string> values) {
  return [values](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  };
}

TEST(Credentials, TheConfigurationComesFirstAndWhole) {
  const auto found =
      find_credentials({"CID", "CSECRET", ""}, variables({{"AWS_ACCESS_KEY_ID", "EID"},
                                                          {"AWS_SECRET_ACCESS_KEY", "ESECRET"},
                                                          {"AWS_SESSION_TOKEN", "ETOKEN"}}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key_id.reveal(), "CID");
  EXPECT_EQ(found->secret_key.reveal(), "CSECRET");
  EXPECT_TRUE(found->session_token.empty()) << "a token of the environment is for its own keys";
}

TEST(Credentials, TheEnvironmentComesNext) {
  auto found = find_credentials({}, variables({{"AWS_ACCESS_KEY_ID", "EID"},
                                               {"AWS_SECRET_ACCESS_KEY", "ESECRET"},
                                               {"AWS_SECURITY_TOKEN", "OLD"}}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->key_id.reveal(), "EID");
  EXPECT_EQ(found->session_token.reveal(), "OLD");
  found = find_credentials({}, variables({{"AWS_ACCESS_KEY_ID", "EID"},
                                          {"AWS_SECRET_ACCESS_KEY", "ESECRET"},
                                          {"AWS_SESSION_TOKEN", "NEW"},
                                          {"AWS_SECURITY_TOKEN", "OLD"}}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->session_token.reveal(), "NEW");
}

TEST(Credentials, HalfAPairNamesWhatIsMissing) {
  const auto error_of = [](const CredentialOptions& options, const Environment& environment) {
    const auto found = find_credentials(options, environment);
    return found ? std::string("none") : found.error().message;
  };
  EXPECT_EQ(error_of({"ID", "", ""}, variables({})), "aws_key_id is set, but aws_sec_key is not");
  EXPECT_EQ(error_of({"", "S", ""}, variables({})), "aws_sec_key is set, but aws_key_id is not");
  EXPECT_EQ(error_of({"", "", "T"},
                     variables({{"AWS_ACCESS_KEY_ID", "EID"}, {"AWS_SECRET_ACCESS_KEY", "ES"}})),
            "aws_ses_token is set, but aws_key_id is not");
  EXPECT_EQ(error_of({}, variables({{"AWS_ACCESS_KEY_ID", "EID"}})),
            "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
  EXPECT_THAT(error_of({}, variables({{"AWS_SESSION_TOKEN", "T"}})),
              HasSubstr("set aws_key_id and aws_sec_key, or AWS_ACCESS_KEY_ID"));
}

TEST(Credentials, RefusesWhatWouldBreakAHeaderWithoutShowingIt) {
  for (const char* bad : {"hush\r\nX: y", "hush hush", "hush\x80", "hush\n"}) {
    for (const auto& options : {CredentialOptions{bad, "S", ""}, CredentialOptions{"ID", bad, ""},
                                CredentialOptions{"ID", "S", bad}}) {
      const auto found = find_credentials(options, variables({}));
      ASSERT_FALSE(found);
      EXPECT_THAT(found.error().message, Not(HasSubstr("hush")));
      EXPECT_THAT(found.error().message, HasSubstr("aws_"));
    }
  }
  EXPECT_FALSE(find_credentials({"ID", std::string(100'000, 'x'), ""}, variables({})));
}

TEST(Credentials, SecretsPrintAsStars) {
  std::ostringstream out;
  out << Secret("hush");
  EXPECT_EQ(out.str(), "****");
}

}  // namespace
}  // namespace millrace::aws
