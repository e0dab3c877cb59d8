// SPDX-License-Identifier: Apache-2.0
// What an operator reads when a file is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/load_support.h"

namespace millrace::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Errors, UnknownKeyHasPlaceAndNearMatch) {
  EXPECT_EQ(errors_of("[system]\n  log_levl = \"info\"\n" + kSource + kLocal),
            "c.toml:2: log_levl is not an option of [system]\n"
            "  2 |   log_levl ...\n"
            "        ^^^^^^^^\n"
            "  is log_level meant?\n");
}

TEST(Errors, KeyOfAnotherSectionIsSentHome) {
  EXPECT_THAT(errors_of(kSource + kLocal + "flush_interval = \"5s\"\n"),
              HasSubstr("flush_interval is an option of [match.buffer]\n"));
  EXPECT_THAT(errors_of("workers = 2\n" + kSource + kLocal),
              HasSubstr("workers is an option of [system]\n"));
  EXPECT_THAT(errors_of(kSource + kLocal + "stream_name = \"s\"\n"),
              HasSubstr("stream_name is an option of type \"kinesis_aggregation\"; this [[match]] "
                        "is of type \"local\"\n"));
  EXPECT_THAT(errors_of("[[sorce]]\n" + kSource + kLocal), HasSubstr("is [[source]] meant?\n"));
}

TEST(Errors, BadSuffixShowsTheForms) {
  EXPECT_EQ(errors_of("[system]\nstop_timeout = \"5 sec\"\n" + kSource + kLocal),
            "c.toml:2: stop_timeout is not a duration: \"5 sec\"\n"
            "  2 | stop_timeout = \"5 sec\"\n"
            "                     ^^^^^^^\n"
            "  allowed: \"200ms\", \"5s\", \"1m\", \"72h\", \"1d\" or whole seconds; 0s to 1h\n");
  EXPECT_THAT(errors_of(kSource + "frame_limit = \"1.5m\"\n" + kLocal),
              HasSubstr("frame_limit is not a size: \"1.5m\"\n"));
}

TEST(Errors, BoundsAreShown) {
  EXPECT_EQ(errors_of("[system]\nworkers = 65\n" + kSource + kLocal),
            "c.toml:2: workers is out of range: 65\n"
            "  2 | workers = 65\n"
            "                ^^\n"
            "  allowed: 1 to 64\n");
  for (const char* line :
       {"port = -1", "port = 65536", "connection_limit = 0", "frame_limit = 0",
        "frame_limit = \"2g\"", "frame_timeout = 0", "frame_timeout = 9223372036854775807"}) {
    EXPECT_THAT(errors_of(kSource + line + "\n" + kLocal), HasSubstr("is out of range")) << line;
  }
  for (const char* line :
       {"retry_exponential_backoff_base = 0.5", "retry_exponential_backoff_base = nan",
        "retry_exponential_backoff_base = inf", "flush_thread_count = 257",
        "flush_thread_count = 0"}) {
    EXPECT_THAT(errors_of(kSource + kLocal + "[match.buffer]\n" + line + "\n"),
                HasSubstr("is out of range"))
        << line;
  }
}

TEST(Errors, NumbersAreShownAsTheyAreWritten) {
  const std::pair<const char*, const char*> cases[] = {
      {"chunk_limit_size = 99999999999999999999", "99999999999999999999\n"},
      {"chunk_limit_size = -99999999999999999999 # x", "-99999999999999999999\n"},
      {"chunk_limit_records = 99_999_999_999_999_999_999", "99_999_999_999_999_999_999\n"},
      {"flush_interval = 0xffffffffffffffffffff", "0xffffffffffffffffffff\n"},
      {"retry_exponential_backoff_base = 99999999999999999999", "99999999999999999999\n"},
      {"retry_exponential_backoff_base = 1e999", "1e999\n"},
      {"total_limit_size = \"99999999999999999999\"", "\"99999999999999999999\"\n"},
  };
  for (const auto& [line, shown] : cases) {
    EXPECT_THAT(errors_of(kSource + kLocal + "[match.buffer]\n" + line + "\n"),
                testing::ContainsRegex(std::string("(is out of range|is not a size): ") + shown))
        << line;
  }
}

TEST(Errors, TypesAreNamed) {
  EXPECT_THAT(errors_of("[system]\nworkers = \"4\"\n" + kSource + kLocal),
              HasSubstr("workers needs a whole number, not a string\n"));
  EXPECT_THAT(errors_of("[system]\nworkers = 4.0\n" + kSource + kLocal),
              HasSubstr("workers needs a whole number, not a number with a fraction\n"));
  EXPECT_THAT(errors_of("[system]\nlog = 3\n" + kSource + kLocal),
              HasSubstr("log is a table; write it as [system.log]\n"));
  EXPECT_THAT(errors_of("[source]\ntype = \"forward\"\n" + kLocal),
              HasSubstr("source is a list of tables; write each as [[source]], with two brackets"));
  EXPECT_THAT(errors_of(kSource + "json = 1\nbind = 4\n" + kLocal),
              AllOf(HasSubstr("json needs true or false, not a whole number\n"),
                    HasSubstr("bind needs a string, not a whole number\n")));
  EXPECT_THAT(errors_of(kSource + "frame_timeout = 2020-01-01\n" + kLocal),
              HasSubstr("frame_timeout needs a duration, not a date or time\n"));
  EXPECT_THAT(errors_of(kSource + "[[match]]\ntype = \"local\"\npattern = [\"a\", 1]\n"),
              HasSubstr("pattern needs a string or an array of strings, not a whole number\n"));
}

TEST(Errors, WordsAreListed) {
  EXPECT_THAT(errors_of("[system]\nlog_level = \"warning\"\n" + kSource + kLocal),
              HasSubstr("log_level does not know \"warning\"; is \"warn\" meant?\n"));
  EXPECT_THAT(errors_of("[system]\nunmatched = \"keep\"\n" + kSource + kLocal),
              HasSubstr("  allowed: \"dead\", \"drop\"\n"));
}

TEST(Errors, WhatIsMissingIsTold) {
  EXPECT_EQ(errors_of(kSource + "[[match]]\npattern = \"**\"\n"),
            "c.toml:3: [[match]] has no type\n"
            "  3 | [[match]]\n"
            "      ^^^^^^^^^\n"
            "  type = \"local\": Where chunks go: \"kinesis_aggregation\" to a Kinesis stream, "
            "\"local\" to files.\n");
  EXPECT_EQ(errors_of(""),
            "c.toml: there is no [[source]]\n"
            "  [[source]] with type = \"forward\" listens for agents\n"
            "c.toml: there is no [[match]]\n"
            "  [[match]] with pattern = \"**\" and type = \"local\" writes to files\n");
}

TEST(Errors, AllOfThemAreReported) {
  const std::string printed = errors_of(
      "[system]\nworkers = 0\nworker = 1\n" + kSource +
      "port = 70000\n[[match]]\npattern = []\ntype = \"locale\"\n[match.buffer]\nflush_mode = 1\n");
  EXPECT_THAT(printed,
              AllOf(HasSubstr("c.toml:2:"), HasSubstr("c.toml:3:"), HasSubstr("c.toml:6:"),
                    HasSubstr("c.toml:8:"), HasSubstr("c.toml:9:"), HasSubstr("c.toml:11:")));
  std::string many = "[system]\n";
  for (int i = 0; i < 60; ++i) many += "x" + std::to_string(i) + " = 1\n";
  EXPECT_THAT(errors_of(many + kSource + kLocal), HasSubstr("\nand 10 more\n"));
}

TEST(Errors, StringsOfAKindAreChecked) {
  for (const char* line : {"bind = \"localhost\"", "bind = \"1.2.3\"", "id = \"a b\"", "id = \"\"",
                           "id = \"..\"", "id = \"unmatched\""}) {
    errors_of(kSource + line + "\n" + kLocal);
  }
  EXPECT_THAT(errors_of(kSource + "id = \"" + std::string(129, 'a') + "\"\n" + kLocal),
              HasSubstr("id is too long: 129 characters\n"));
  const std::string without_name =
      kSource + "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\nregion = \"r\"\n";
  for (const char* line :
       {"stream_name = \"a/b\"", "stream_name = \"arn:aws:kinesis:r:1:stream/s\"",
        "stream_name = \"s\"\nendpoint = \"127.0.0.1:4567\"",
        "stream_name = \"s\"\nendpoint = \"http://u@h/\"",
        "stream_name = \"s\"\nhttp_proxy = \"socks://h\"",
        "stream_name = \"s\"\nca_file = \"ca.pem\"", "stream_name = \"s\"\nregion2 = \"x\""}) {
    errors_of(without_name + line + "\n");
  }
}

TEST(Errors, TooLongKeysAreCountedInCharacters) {
  std::string key;
  for (int i = 0; i < 256; ++i) key += "é";
  const std::string head = kSource + kLocal + "fixed_partition_key = \"";
  EXPECT_EQ(config_of(head + key + "\"\n").matches.at(0).format.fixed_partition_key, key);
  EXPECT_THAT(errors_of(head + key + "é\"\n"), HasSubstr("is too long: 257 characters\n"));
}

TEST(Errors, UndefinedVariablesAreNamed) {
  EXPECT_THAT(errors_of("[system]\nroot_dir = \"${ROOT}\"\n" + kSource + kLocal),
              HasSubstr("root_dir cannot be read: the environment variable ROOT is not set; "
                        "${ROOT:-default} gives a default\n"));
}

TEST(Errors, SecretsStayOutOfFilesForEverybody) {
  const std::string text = kSource + kKinesis;
  EXPECT_EQ(config_of(text).matches.at(0).kinesis.aws_sec_key, "b");
  const std::string printed = errors_of(text, {}, 0644);
  EXPECT_THAT(printed,
              AllOf(HasSubstr("c.toml:8: aws_key_id is a secret, and every user of this machine "
                              "can read c.toml\n  8 | aws_key_id = (not shown)\n"),
                    HasSubstr("  chmod 0640 c.toml mends it"), HasSubstr("aws_sec_key")));
  // Neither a reference nor a proxy without a user is a secret.
  const std::string references = kSource +
                                 "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\n"
                                 "stream_name = \"s\"\nregion = \"r\"\naws_key_id = \"${A}\"\n"
                                 "aws_sec_key = \"${B}\"\nhttp_proxy = \"http://proxy:3128\"\n";
  const auto loaded = load_text(references, {{"A", "1"}, {"B", "2"}}, 0644);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->config.matches[0].kinesis.aws_sec_key, "2");
  EXPECT_THAT(
      errors_of(references + "aws_ses_token = \"${A:-literal}\"\n", {{"A", "1"}, {"B", "2"}}, 0644),
      HasSubstr("aws_ses_token is a secret"));
}

TEST(Errors, SecretsAreNeverPrinted) {
  const std::string match =
      kSource + "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\n";
  const std::string lines[] = {
      "aws_sec_key = \"HUSH\n",
      "aws_sec_key = HUSH\n",
      "aws_sec_key HUSH\n",
      "aws_sec_key = \"\"\"\nHUSH\" \"\"\" x\n",
      "aws_sec_kye = \"HUSH\"\n",
      "aws_secret_key_of_mine = \"HUSH\"\n",
      "aws_sec_key = [\"HUSH\"]\n",
      "aws_sec_key = \"HUSH${NOPE}\"\n",
      "aws_sec_key = \"${HUSH_VALUE}\xff\"\n",
      "http_proxy = \"HUSH\"\n",
      "http_proxy = \"http://u:HUSH@h h\"\n",
      "aws_ses_token = \"" + std::string(20'000, 'x') + "HUSH\"\n",
      "buffer = { aws_sec_key = \"HUSH\" }\n",
      "aws_sec_key = \"HUSH\"\naws_sec_key = \"HUSH\"\n",
      "aws_sec_key = \"HUSH\" aws_key_id = \"HUSH\"\n",
  };
  for (const std::string& line : lines) {
    for (const mode_t mode : {0600U, 0644U}) {
      const std::string printed = errors_of(match + line, {{"HUSH_VALUE", "HUSH"}}, mode);
      EXPECT_THAT(printed, Not(HasSubstr("HUSH"))) << line;
    }
  }
}

TEST(Errors, AUrlWithAPasswordIsNotPrinted) {
  const std::string match =
      kSource +
      "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\nstream_name = \"s\"\n";
  EXPECT_THAT(errors_of(match + "region = \"r\"\nendpoint = \"http://u:HUSH@h\"\n"),
              HasSubstr("c.toml:8: endpoint has a user name, which is not sent: (not shown)\n"
                        "  8 | endpoint = (not shown)\n"));
  for (const char* line :
       {"endpoint = \"u:HUSH@h\"", "endpoint = \"ftp://u:HUSH@h\"",
        "endpoint = \"http://u:HUSH @h\"", "endpoint = \"http://u:HUSH\\u0040h\"",
        "endpoint = \"http://u:HUSH", "endpoint = http://u:HUSH@h",
        "endpoint = \"http://u:HUSH@h\" x", "endpoint http://u:HUSH@h", "endpoint = \"${URL}\"",
        "endpoint = \"${URL:-http://u:HUSH@h}\"", "endpoint = \"${URL2:-http://u:HUSH@h}\"",
        "endpoint = \"\"\"\nhttp://u:HUSH\n@h\"\"\"",
        "endpoint = \"\"\"\nhttp://u:HUSH@h\" \"\"\" x", "endpoint = [\"http://u:HUSH@h\"]",
        "endpoint = [\n\"http://u:HUSH@h\" x", "endpiont = \"http://u:HUSH@h\"",
        "end_point = \"http://u:HUSH@h\" x", "buffer = { endpoint = \"http://u:HUSH@h\" }",
        "endpoint = \"http://u:HUSH@h\"\nendpoint = \"http://u:HUSH@h\""}) {
    EXPECT_THAT(errors_of(match + line + "\n", {{"URL", "http://u:HUSH@h"}}),
                Not(HasSubstr("HUSH")))
        << line;
  }
  // One without is shown, so that the mistake can be seen.
  EXPECT_THAT(errors_of(match + "endpoint = \"127.0.0.1:4567\"\n"),
              AllOf(HasSubstr("and a host: \"127.0.0.1:4567\"\n"),
                    HasSubstr("7 | endpoint = \"127.0.0.1:4567\"\n")));
  EXPECT_THAT(errors_of(match + "endpoint = http://h\n"),
              HasSubstr("a text stands in quotes: endpoint = \"http://h\"\n"));
}

TEST(Errors, LongLinesAndControlsAreMadeReadable) {
  const std::string printed =
      errors_of("[system]\nroot_dir = \"" + std::string(500, 'x') + "\" junk\x1b[31m\n");
  for (const char c : printed) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  size_t longest = 0;
  for (size_t at = 0; at < printed.size();) {
    const size_t end = printed.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  EXPECT_LE(longest, 140U) << printed;
}

TEST(Errors, SyntaxErrorsHaveHints) {
  EXPECT_EQ(errors_of("[system]\nstop_timeout = 5s\n"),
            "c.toml:2: more text after the value\n"
            "  2 | stop_timeout = 5s\n"
            "                      ^\n"
            "  a text stands in quotes: stop_timeout = \"5s\"\n");
  EXPECT_THAT(errors_of("<source>\n  @type forward\n"), HasSubstr("Fluentd's own files"));
  EXPECT_THAT(errors_of("[system]\nworkers: 3\n"), HasSubstr("write it as workers = ...\n"));
  EXPECT_THAT(errors_of("[system]\nworkers = 1\n[system]\nworkers = 2\n"),
              AllOf(HasSubstr("c.toml:3: defined twice\n"), HasSubstr("see also line 1\n")));
  EXPECT_THAT(errors_of("[[match]]\n[match]\n"),
              HasSubstr("each one has two brackets: [[match]]\n"));
}

}  // namespace
}  // namespace millrace::config
