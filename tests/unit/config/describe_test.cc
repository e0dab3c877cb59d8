// SPDX-License-Identifier: Apache-2.0
#include "config/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "config/option.h"
#include "tests/unit/config/load_support.h"

namespace millrace::config {
namespace {

TEST(Describe, TheDefaultFileIsTheOneInTheRepository) {
  std::ifstream file(MILLRACE_SOURCE_DIR "/conf/millrace.toml", std::ios::binary);
  ASSERT_TRUE(file);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), describe_toml()) << "scripts/gen writes it anew";
}

TEST(Describe, TheDefaultFileWorksAsItIs) {
  const auto loaded = load_text(describe_toml(), {}, 0644);
  ASSERT_TRUE(loaded) << problems_text(loaded.error().errors);
  EXPECT_TRUE(loaded->warnings.empty()) << problems_text(loaded->warnings);
  Config expected;
  expected.sources.emplace_back();
  Match& match = expected.matches.emplace_back();
  match.patterns = {"**"};
  match.id = "local";
  EXPECT_EQ(loaded->config, expected);
}

TEST(Describe, EveryCommentedOptionWorksToo) {
  const std::string text = std::regex_replace(describe_toml(), std::regex("# (include = )"), "#$1");
  std::string live =
      std::regex_replace(text, std::regex("(^|\n)( *)# ([a-z_]+ = |\\[\\[?[a-z])"), "$1$2$3");
  EXPECT_NE(live, text);
  // Those that do not go together.
  live = std::regex_replace(live, std::regex("\n *(host|json) = [^\n]*"), "");
  live = std::regex_replace(live, std::regex("user_auth = false"), "user_auth = true");
  const Variables variables = {{"MY_KEY_ID", "a"},        {"MY_SECRET_KEY", "b"},
                               {"MY_SESSION_TOKEN", "c"}, {"FORWARD_SHARED_KEY", "d"},
                               {"EDGE_SHARED_KEY", "e"},  {"ALICE_PASSWORD", "f"}};
  const auto loaded = load_text(live, variables, 0644);
  ASSERT_TRUE(loaded) << problems_text(loaded.error().errors);
  EXPECT_TRUE(loaded->warnings.empty()) << problems_text(loaded->warnings);
  EXPECT_EQ(loaded->config.matches.size(), 2U);
  EXPECT_EQ(loaded->config.matches[0].kinesis.aws_ses_token, "c");
  const Security& security = loaded->config.sources.at(0).security.value();
  EXPECT_EQ(security.shared_key, "d");
  EXPECT_EQ(security.users.at(0).password, "f");
  EXPECT_EQ(security.clients.at(0).shared_key, "e");
}

TEST(Describe, TellsEveryOption) {
  for (const Section& section : sections()) {
    for (const Option& option : section.options) {
      EXPECT_THAT(describe_toml(), testing::HasSubstr(std::string(option.name) + " = "));
      EXPECT_THAT(describe_text(), testing::HasSubstr("\n  " + std::string(option.name) + "\n"));
    }
  }
}

TEST(Describe, TheExamplesLoad) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/conf/examples")) {
    if (entry.path().extension() != ".toml") continue;
    const auto loaded = load(entry.path().string(), options_with({{"AWS_ACCESS_KEY_ID", "a"},
                                                                  {"AWS_SECRET_ACCESS_KEY", "b"},
                                                                  {"FORWARD_SHARED_KEY", "c"},
                                                                  {"EDGE_PASSWORD", "d"},
                                                                  {"PARTNER_PASSWORD", "e"},
                                                                  {"PARTNER_SHARED_KEY", "f"}}));
    ASSERT_TRUE(loaded) << problems_text(loaded.error().errors);
    EXPECT_TRUE(loaded->warnings.empty()) << problems_text(loaded->warnings);
    ++count;
  }
  EXPECT_GE(count, 5U);
}

}  // namespace
}  // namespace millrace::config
