// SPDX-License-Identifier: Apache-2.0
#include "cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/exit_code.h"

namespace millrace::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::variant<Arguments, UsageText> parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "millrace");
  return parse_arguments(static_cast<int>(words.size()), words.data());
}

Arguments arguments(const std::vector<const char*>& words) {
  const auto result = parsed(words);
  const auto* found = std::get_if<Arguments>(&result);
  if (found != nullptr) return *found;
  ADD_FAILURE() << std::get<UsageText>(result).text;
  return {};
}

UsageText usage(const std::vector<const char*>& words) {
  const auto result = parsed(words);
  const auto* found = std::get_if<UsageText>(&result);
  if (found != nullptr) return *found;
  ADD_FAILURE() << "was understood";
  return {};
}

TEST(Arguments, Commands) {
  EXPECT_EQ(arguments({"run"}).command, Command::kRun);
  EXPECT_EQ(arguments({"run"}).config_path, "/etc/millrace/millrace.toml");
  EXPECT_EQ(arguments({"check", "-c", "a.toml"}).config_path, "a.toml");
  EXPECT_EQ(arguments({"flush", "--socket", "/s"}).socket_path, "/s");
  EXPECT_TRUE(arguments({"status", "--json"}).json);
  EXPECT_FALSE(arguments({"version"}).json);
  EXPECT_EQ(arguments({"describe", "--format=toml"}).format, "toml");
  EXPECT_EQ(arguments({"describe"}).format, "text");
}

TEST(Arguments, Send) {
  const Arguments plain = arguments({"send", "app.x"});
  EXPECT_EQ(plain.tag, "app.x");
  EXPECT_EQ(plain.host, "127.0.0.1");
  EXPECT_EQ(plain.port, 24224);
  EXPECT_FALSE(plain.ack);
  EXPECT_EQ(plain.timeout_ms, 60'000U);
  const Arguments all = arguments(
      {"send", "--host", "h", "--port", "1", "--ack", "--time", "5", "--timeout", "200ms", "t"});
  EXPECT_EQ(all.tag, "t");
  EXPECT_EQ(all.host, "h");
  EXPECT_EQ(all.port, 1);
  EXPECT_TRUE(all.ack);
  EXPECT_EQ(all.time, "5");
  EXPECT_EQ(all.timeout_ms, 200U);
}

TEST(Arguments, Decode) {
  const Arguments all = arguments({"decode", "--meta", "a", "b"});
  EXPECT_TRUE(all.meta);
  EXPECT_THAT(all.files, ElementsAre("a", "b"));
  EXPECT_TRUE(arguments({"decode"}).files.empty());
}

TEST(Arguments, Buffer) {
  const Arguments ls =
      arguments({"buffer", "ls", "--dir", "/b", "--output", "o", "--state", "all", "--json"});
  EXPECT_EQ(ls.command, Command::kBufferLs);
  EXPECT_EQ(ls.buffer.directory, "/b");
  EXPECT_EQ(ls.buffer.output, "o");
  EXPECT_EQ(ls.buffer.state, "all");
  EXPECT_TRUE(ls.json);
  const Arguments cat = arguments({"buffer", "cat", "--raw", "-c", "f", "id1", "id2"});
  EXPECT_EQ(cat.command, Command::kBufferCat);
  EXPECT_EQ(cat.config_path, "f");
  EXPECT_TRUE(cat.buffer.raw);
  EXPECT_THAT(cat.buffer.chunks, ElementsAre("id1", "id2"));
  EXPECT_EQ(arguments({"buffer", "show", "id"}).command, Command::kBufferShow);
  EXPECT_EQ(arguments({"buffer", "verify"}).command, Command::kBufferVerify);
  EXPECT_EQ(arguments({"buffer", "stats"}).command, Command::kBufferStats);
  const Arguments requeue =
      arguments({"buffer", "requeue", "--all", "--reason", "refused", "--force"});
  EXPECT_EQ(requeue.command, Command::kBufferRequeue);
  EXPECT_TRUE(requeue.buffer.all && requeue.buffer.force);
  EXPECT_EQ(requeue.buffer.reason, "refused");
}

TEST(Arguments, ACommandInsideACommand) {
  const Arguments given_up = arguments({"buffer", "dead-letter", "id"});
  EXPECT_EQ(given_up.command, Command::kDeadLetter);
  EXPECT_THAT(given_up.buffer.chunks, ElementsAre("id"));
  EXPECT_EQ(arguments({"buffer", "dead-letter", "ls"}).command, Command::kDeadLetterLs);
  const Arguments rm = arguments({"buffer", "dead-letter", "rm", "id", "--yes"});
  EXPECT_EQ(rm.command, Command::kDeadLetterRm);
  EXPECT_TRUE(rm.buffer.yes);
  EXPECT_THAT(rm.buffer.chunks, ElementsAre("id"));
  EXPECT_THAT(usage({"buffer", "cat"}).text, HasSubstr("millrace buffer cat:"));
  EXPECT_EQ(usage({"buffer"}).exit_code, app::kExitUsage);
  EXPECT_THAT(usage({"buffer", "dead-letter", "rm", "--help"}).text,
              HasSubstr("Usage: millrace buffer dead-letter rm"));
}

TEST(Arguments, NothingPrintsUsage) {
  const UsageText text = usage({});
  EXPECT_EQ(text.exit_code, app::kExitUsage);
  EXPECT_THAT(text.text, AllOf(HasSubstr("Usage: millrace"), HasSubstr("decode"),
                               testing::Not(HasSubstr("describe"))));
}

TEST(Arguments, HelpIsFine) {
  EXPECT_EQ(usage({"--help"}).exit_code, app::kExitFine);
  EXPECT_EQ(usage({"--version"}).text, "millrace " MILLRACE_VERSION "\n");
  for (const char* command : {"run", "check", "send", "decode", "flush", "status", "version"}) {
    const UsageText text = usage({command, "--help"});
    EXPECT_EQ(text.exit_code, app::kExitFine);
    EXPECT_THAT(text.text, HasSubstr(std::string("Usage: millrace ") + command));
    size_t longest = 0;
    for (size_t at = 0; at < text.text.size();) {
      const size_t end = std::min(text.text.find('\n', at), text.text.size());
      longest = std::max(longest, end - at);
      at = end + 1;
    }
    EXPECT_LE(longest, 90U) << text.text;
  }
}

TEST(Arguments, HelpListsTheExitCodes) {
  const std::string text = usage({"--help"}).text;
  const size_t list = text.find("\nExit codes:\n");
  ASSERT_NE(list, std::string::npos) << text;
  for (const int code : {app::kExitFine, app::kExitUsage, app::kExitBadData, app::kExitUnavailable,
                         app::kExitBug, app::kExitCannotCreate, app::kExitDisk, app::kExitLocked,
                         app::kExitPermission, app::kExitConfig}) {
    EXPECT_THAT(text.substr(list), HasSubstr("\n  " + std::to_string(code) + " ")) << code;
  }
}

TEST(Arguments, WrongOnesAreTold) {
  const std::pair<std::vector<const char*>, const char*> cases[] = {
      {{"chek"}, "there is no command \"chek\"; is check meant?\n"},
      {{""}, "there is no command \"\"\n"},
      {{"--foo"}, "a command is missing\n"},
      {{"check", "--foo"}, "--foo"},
      {{"check", "extra"}, "extra"},
      {{"check", "-c"}, "--config"},
      {{"send"}, "TAG is required\n"},
      {{"send", ""}, "the tag is empty or not UTF-8\n"},
      {{"send", "\xff"}, "the tag is empty or not UTF-8\n"},
      {{"send", "t", "--port", "0"}, "--port"},
      {{"send", "t", "--port", "65536"}, "--port"},
      {{"send", "t", "--port", "x"}, "--port"},
      {{"send", "t", "--timeout", "5x"}, "allowed: \"200ms\""},
      {{"send", "t", "--timeout", "0"}, "--timeout"},
      {{"send", "t", "u"}, "u"},
      {{"describe", "--format", "x"}, "--format"},
  };
  for (const auto& [words, part] : cases) {
    const UsageText text = usage(words);
    EXPECT_EQ(text.exit_code, app::kExitUsage) << part;
    EXPECT_THAT(text.text, AllOf(HasSubstr(part), HasSubstr("--help` tells"))) << part;
  }
}

}  // namespace
}  // namespace millrace::cli
