// SPDX-License-Identifier: Apache-2.0
// [source.security] with its users and clients: what loads, and what an operator reads when it does
// not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/load_support.h"

namespace millrace::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kHead = kSource + "[source.security]\nshared_key = \"k\"\n";
const std::string kUser = "[[source.security.user]]\nusername = \"alice\"\npassword = \"wonder\"\n";
const std::string kClient = "[[source.security.client]]\n";

TEST(Security, EveryOptionReachesTheModel) {
  const Config config = config_of(kSource + R"(
[source.security]
self_hostname = "server.example"
shared_key = "${KEY}"
user_auth = true
allow_anonymous_source = false
  [[source.security.user]]
  username = "alice"
  password = "wonder"
  [[source.security.user]]
  username = "bob"
  password = "${BOB}"
  [[source.security.client]]
  network = "10.0.0.0/8"
  [[source.security.client]]
  host = "edge.example"
  shared_key = ""
  users = ["alice", "bob"]
)" + kSource + "port = 1\n" + kLocal,
                                  {{"KEY", "s3cr3t"}, {"BOB", "builder"}});
  const Security expected{
      .self_hostname = "server.example",
      .shared_key = "s3cr3t",
      .user_auth = true,
      .allow_anonymous_source = false,
      .users = {{"alice", "wonder"}, {"bob", "builder"}},
      .clients = {{.network = "10.0.0.0/8"},
                  {.host = "edge.example", .shared_key = "", .users = {"alice", "bob"}}}};
  ASSERT_EQ(config.sources.size(), 2U);
  EXPECT_EQ(config.sources[0].security, expected);
  EXPECT_FALSE(config.sources[1].security.has_value());
}

TEST(Security, TablesInLineAreTheSame) {
  const std::string text =
      kSource +
      "security = {shared_key = \"k\", user_auth = true, user = [{username = \"alice\", "
      "password = \"wonder\"}]}\n" +
      kLocal;
  EXPECT_EQ(config_of(text).sources.at(0).security,
            (Security{.shared_key = "k", .user_auth = true, .users = {{"alice", "wonder"}}}));
}

TEST(Security, TheKeyIsRequiredAndMayBeEmpty) {
  EXPECT_THAT(errors_of(kSource + "[source.security]\n" + kLocal),
              HasSubstr("c.toml:3: [source.security] has no shared_key\n"));
  EXPECT_THAT(warnings_of(kSource + "[source.security]\nshared_key = \"\"\n" + kLocal),
              HasSubstr("shared_key is empty, so every client has it\n"));
  EXPECT_EQ(warnings_of(kSource + "[source.security]\nshared_key = \"\"\nuser_auth = true\n" +
                        kUser + kLocal),
            "");
}

TEST(Security, UsersAreNamedEachByItself) {
  EXPECT_THAT(errors_of(kHead + "user_auth = true\n" + kUser +
                        "[[source.security.user]]\nusername = \"bob\"\n" + kLocal),
              AllOf(HasSubstr("c.toml:9: [[source.security.user]] has no password\n"),
                    Not(HasSubstr("no username"))));
  EXPECT_THAT(errors_of(kHead + "user_auth = true\n" + kLocal),
              HasSubstr("c.toml:5: user_auth is on and there is no user\n"));
  EXPECT_THAT(warnings_of(kHead + kUser + kLocal),
              HasSubstr("c.toml:5: warning: nobody is asked for a user name\n"));
  EXPECT_THAT(
      errors_of(kHead + "[source.security.user]\nusername = \"a\"\n" + kLocal),
      HasSubstr("user is a list of tables; write each as [[source.security.user]], with two "
                "brackets\n"));
}

TEST(Security, AClientIsAHostOrANetwork) {
  EXPECT_THAT(errors_of(kHead + kClient + kLocal),
              HasSubstr("c.toml:5: [[source.security.client]] has neither network nor host\n"));
  EXPECT_THAT(errors_of(kHead + kClient + "host = \"a\"\nnetwork = \"::/0\"\n" + kLocal),
              HasSubstr("c.toml:6: [[source.security.client]] has both network and host\n"));
  const std::string head = kHead + kClient;
  for (const char* const network :
       {"10.0.0.0/33", "10.0.0/8", "a/8", "10.0.0.0/", "::/129", "/8"}) {
    EXPECT_THAT(errors_of(head + "network = \"" + network + "\"\n" + kLocal),
                HasSubstr("network is not a network; write it like \"10.0.0.0/8\""))
        << network;
  }
  EXPECT_THAT(errors_of(kHead + kClient + "host = \"10.0.0.0/8\"\n" + kLocal),
              HasSubstr("host is a network; write network instead of host: \"10.0.0.0/8\"\n"));
  EXPECT_THAT(errors_of(kHead + kClient + "host = \"a b\"\n" + kLocal),
              HasSubstr("host is neither an address nor a host's name"));
  EXPECT_THAT(errors_of(kHead + "allow_anonymous_source = false\n" + kLocal),
              HasSubstr("c.toml:5: allow_anonymous_source is off and there is no client\n"));
}

TEST(Security, UsersOfAClientExist) {
  const std::string client = kClient + "network = \"::1\"\nusers = [\"alise\"]\n";
  EXPECT_THAT(errors_of(kHead + "user_auth = true\n" + kUser + client + kLocal),
              HasSubstr("c.toml:11: there is no user \"alise\"\n"
                        "  11 | users = [\"alise\"]\n"
                        "               ^^^^^^^^^\n"
                        "  is \"alice\" meant?\n"));
}

TEST(Security, ItsNameIsItsOwn) {
  EXPECT_THAT(errors_of(kHead + "self_hostname = \"localhost\"\n" + kLocal),
              HasSubstr("self_hostname names every machine; clients of that name would refuse it: "
                        "\"localhost\"\n"));
  EXPECT_THAT(errors_of(kHead + "self_hostname = \"" + std::string(254, 'a') + "\"\n" + kLocal),
              HasSubstr("self_hostname is too long: 254 characters\n"));
}

TEST(Security, UnknownKeysHaveANearMatch) {
  EXPECT_THAT(errors_of(kHead + "user_aut = true\n" + kLocal),
              AllOf(HasSubstr("user_aut is not an option of [source.security]\n"),
                    HasSubstr("is user_auth meant?\n")));
  EXPECT_THAT(errors_of(kHead + "[[source.security.clients]]\nhost = \"a\"\n" + kLocal),
              HasSubstr("is client meant?\n"));
  EXPECT_THAT(errors_of(kSource + "user_auth = true\n" + kLocal),
              HasSubstr("user_auth is an option of [source.security]\n"));
}

TEST(Security, JsonIsNotTaken) {
  EXPECT_THAT(
      warnings_of(kSource + "json = true\n[source.security]\nshared_key = \"k\"\n" + kLocal),
      HasSubstr("c.toml:3: warning: json has no effect\n"));
  EXPECT_EQ(warnings_of(kSource + "json = false\n[source.security]\nshared_key = \"k\"\n" + kLocal),
            "");
}

TEST(Security, SecretsStayOutOfFilesForEverybody) {
  EXPECT_THAT(errors_of(kHead + kLocal, {}, 0644),
              AllOf(HasSubstr("c.toml:4: shared_key is a secret, and every user of this machine"),
                    HasSubstr("shared_key = \"${NAME}\""), Not(HasSubstr("\"k\""))));
  // Only of a proxy is an address without a user no secret.
  EXPECT_THAT(
      errors_of(kSource + "[source.security]\nshared_key = \"a://HUSH\"\n" + kLocal, {}, 0644),
      AllOf(HasSubstr("shared_key is a secret"), Not(HasSubstr("HUSH"))));
  EXPECT_THAT(errors_of(kHead + "user_auth = true\n" + kUser + kLocal, {}, 0644),
              AllOf(HasSubstr("c.toml:8: password is a secret"), Not(HasSubstr("wonder"))));
  EXPECT_THAT(
      errors_of(kHead + kClient + "host = \"a\"\nshared_key = \"HUSH\"\n" + kLocal, {}, 0644),
      AllOf(HasSubstr("c.toml:7: shared_key is a secret"), Not(HasSubstr("HUSH"))));
  ASSERT_TRUE(load_text(kSource + "[source.security]\nshared_key = \"${KEY}\"\n" + kLocal,
                        {{"KEY", "k"}}, 0644));
}

TEST(Security, SecretsAreNeverPrinted) {
  const std::string long_key = "HUSH" + std::string(1100, 'x');
  const std::string wrong[] = {
      "shared_key = 'HUSH\n",
      "shared_key = [\"HUSH\"]\n",
      "shared_key = \"" + long_key + "\"\n",
      "sharedkey = \"HUSH\"\n",
      "shared_key = \"HUSH\"\nuser = [{username = 1, password = \"HUSH\"}]\n",
      "shared_key = \"HUSH\"\nuser = [{username = \"a\", pasword = \"HUSH\"}]\n"};
  const std::string head = kSource + "[source.security]\n";
  for (const std::string& lines : wrong) {
    EXPECT_THAT(errors_of(head + lines + kLocal), Not(HasSubstr("HUSH")));
  }
}

}  // namespace
}  // namespace millrace::config
