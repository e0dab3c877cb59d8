// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/load_support.h"

namespace millrace::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Load, SmallestFileHasTheDefaults) {
  const Config config = config_of(kSource + kLocal);
  EXPECT_EQ(config.system, System{});
  ASSERT_EQ(config.sources.size(), 1U);
  EXPECT_EQ(config.sources[0], ForwardSource{});
  ASSERT_EQ(config.matches.size(), 1U);
  Match match;
  match.patterns = {"**"};
  match.id = "local";
  EXPECT_EQ(config.matches[0], match);
}

constexpr const char* kEveryOption = R"(
[system]
workers = 3
root_dir = "/srv/m"
log_level = "trace"
stop_timeout = 7
unmatched = "drop"
  [system.log]
  format = "json"
[[source]]
type = "forward"
id = "edge"
bind = "::"
port = 0
frame_limit = "8m"
connection_limit = 5
connection_limit_per_source = 4
receive_memory_limit = 16777216
frame_timeout = "2m"
frame_rate_min = "1k"
idle_timeout = "1h"
decompression_size_limit = "1g"
decompression_ratio_limit = 50
json = false
[[match]]
pattern = ["a.**", "b.{c,d}"]
type = "kinesis-aggregation"
id = "out"
stream_name = "events.prod"
region = "eu-west-1"
endpoint = "http://127.0.0.1:4567"
http_proxy = "http://user:pass@proxy:3128"
ca_file = "/etc/ca.pem"
fixed_partition_key = "ключ"
aws_key_id = "id"
aws_sec_key = "secret"
aws_ses_token = "token"
record_limit = "10m"
kpl_compat = "fluentd"
connect_timeout = "1s"
first_byte_timeout = "2s"
request_timeout = "3s"
body_format = "cbor"
inject = false
time_key = "t"
tag_key = "g"
append_newline = true
json_compat = "oj"
  [match.buffer]
  path = "/data/b"
  chunk_limit_size = "1m"
  chunk_limit_records = 9
  total_limit_size = "1g"
  flush_mode = "lazy"
  flush_thread_count = 50
  flush_at_shutdown = true
  overflow_action = "drop_oldest_chunk"
  retry_wait = "200ms"
  retry_exponential_backoff_base = 3
  retry_max_interval = "10s"
  retry_timeout = "1d"
  retry_max_times = 17
  retry_forever = true
  retry_randomize = false
[[match]]
pattern = "**"
type = "local"
path = "/srv/out"
rotate_size = "1m"
)";

TEST(Load, FillsSystemAndSource) {
  const Config config = config_of(kEveryOption);
  const System system{.workers = 3,
                      .root_dir = "/srv/m",
                      .log_level = log::Level::kTrace,
                      .log_format = log::Format::kJson,
                      .stop_timeout_ms = 7'000,
                      .unmatched = Unmatched::kDrop};
  EXPECT_EQ(config.system, system);
  const ForwardSource source{.id = "edge",
                             .bind = "::",
                             .port = 0,
                             .frame_limit = 8 << 20,
                             .connection_limit = 5,
                             .connection_limit_per_source = 4,
                             .receive_memory_limit = 16 << 20,
                             .frame_timeout_ms = 120'000,
                             .frame_rate_min = 1 << 10,
                             .idle_timeout_ms = 3'600'000,
                             .decompression_size_limit = 1 << 30,
                             .decompression_ratio_limit = 50,
                             .json = false};
  EXPECT_THAT(config.sources, ElementsAre(source));
}

TEST(Load, FillsMatch) {
  const Config config = config_of(kEveryOption);
  ASSERT_EQ(config.matches.size(), 2U);
  const Match& match = config.matches[0];
  EXPECT_THAT(match.patterns, ElementsAre("a.**", "b.{c,d}"));
  EXPECT_EQ(match.type, OutputType::kKinesisAggregation);
  EXPECT_EQ(match.id, "out");
  const Format format{.inject = false,
                      .time_key = "t",
                      .tag_key = "g",
                      .append_newline = true,
                      .json_compat = JsonCompat::kOj,
                      .kpl_compat = KplCompat::kFluentd,
                      .fixed_partition_key = "ключ",
                      .record_limit = 10 << 20};
  EXPECT_EQ(match.format, format);
  const Buffer buffer{.path = "/data/b",
                      .chunk_limit_size = 1 << 20,
                      .chunk_limit_records = 9,
                      .total_limit_size = 1 << 30,
                      .flush_mode = FlushMode::kLazy,
                      .flush_interval_ms = 5'000,
                      .flush_thread_count = 50,
                      .flush_at_shutdown = true,
                      .overflow_action = OverflowAction::kDropOldestChunk,
                      .retry_wait_ms = 200,
                      .retry_exponential_backoff_base = 3.0,
                      .retry_max_interval_ms = 10'000,
                      .retry_timeout_ms = 86'400'000,
                      .retry_max_times = 17,
                      .retry_forever = true,
                      .retry_randomize = false};
  EXPECT_EQ(match.buffer, buffer);
}

TEST(Load, FillsOutputs) {
  const Config config = config_of(kEveryOption);
  ASSERT_EQ(config.matches.size(), 2U);
  const Kinesis kinesis{.stream_name = "events.prod",
                        .region = "eu-west-1",
                        .endpoint = "http://127.0.0.1:4567",
                        .http_proxy = "http://user:pass@proxy:3128",
                        .ca_file = "/etc/ca.pem",
                        .aws_key_id = "id",
                        .aws_sec_key = "secret",
                        .aws_ses_token = "token",
                        .connect_timeout_ms = 1'000,
                        .first_byte_timeout_ms = 2'000,
                        .request_timeout_ms = 3'000,
                        .body_format = BodyFormat::kCbor};
  EXPECT_EQ(config.matches[0].kinesis, kinesis);
  const Local local{.path = "/srv/out", .rotate_size = 1 << 20};
  EXPECT_EQ(config.matches[1].local, local);
}

TEST(Load, TakesOtherSpellingsOfToml) {
  const Config config = config_of(
      "source = [{type = \"forward\", port = 1}]\nsystem.workers = 2\nsystem.log.format = 'json'\n"
      "match = [{pattern = [\"**\"], type = \"local\", buffer = {flush_interval = 1}}]\n");
  EXPECT_EQ(config.system.workers, 2U);
  EXPECT_EQ(config.system.log_format, log::Format::kJson);
  EXPECT_EQ(config.sources.at(0).port, 1);
  EXPECT_EQ(config.matches.at(0).buffer.flush_interval_ms, 1'000U);
  EXPECT_EQ(config_of("\xef\xbb\xbf[system]\r\nworkers = 2\r\n" + kSource + kLocal).system.workers,
            2U);
}

TEST(Load, GivesDefaultIds) {
  const Config config = config_of(
      "[[source]]\ntype = \"forward\"\nport = 1\n[[source]]\ntype = \"forward\"\nport = 2\n"
      "[[source]]\ntype = \"forward\"\nid = \"forward_2\"\nport = 3\n"
      "[[match]]\npattern = \"a\"\ntype = \"local\"\npath = \"/a\"\n" +
      kLocal);
  EXPECT_EQ(config.sources[0].id, "forward");
  EXPECT_EQ(config.sources[1].id, "forward_3");
  EXPECT_EQ(config.sources[2].id, "forward_2");
  EXPECT_EQ(config.matches[0].id, "local");
  EXPECT_EQ(config.matches[1].id, "local_2");
}

TEST(Load, ExpandsTheEnvironment) {
  const Config config = config_of(
      "[system]\nroot_dir = \"${ROOT}/x\"\nstop_timeout = \"${T:-2m}\"\n" + kSource +
          "[[match]]\npattern = \"${P}\"\ntype = \"${TYPE:-local}\"\ntag_key = \"$${x}$\"\n",
      {{"ROOT", "/r"}, {"P", "**"}});
  EXPECT_EQ(config.system.root_dir, "/r/x");
  EXPECT_EQ(config.system.stop_timeout_ms, 120'000U);
  EXPECT_THAT(config.matches.at(0).patterns, ElementsAre("**"));
  EXPECT_EQ(config.matches[0].format.tag_key, "${x}$");
}

TEST(Load, TakesTheRegionOfTheEnvironment) {
  const std::string text = kSource +
                           "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\n"
                           "stream_name = \"s\"\n";
  EXPECT_EQ(config_of(text, {{"AWS_REGION", "a-1"}, {"AWS_DEFAULT_REGION", "b-1"}})
                .matches.at(0)
                .kinesis.region,
            "a-1");
  EXPECT_EQ(config_of(text, {{"AWS_REGION", ""}, {"AWS_DEFAULT_REGION", "b-1"}})
                .matches.at(0)
                .kinesis.region,
            "b-1");
  EXPECT_THAT(errors_of(text), HasSubstr("no region is given"));
  EXPECT_THAT(errors_of(text, {{"AWS_REGION", "a b"}}), HasSubstr("AWS_REGION"));
}

TEST(Load, TellsWhyAFileCannotBeRead) {
  const auto missing = load("/nonexistent/m.toml", options_with({}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(problems_text(missing.error().errors),
            "/nonexistent/m.toml: cannot read it: No such file or directory\n"
            "  -c FILE names another file\n");
  EXPECT_FALSE(load("/tmp", options_with({})));
  const std::string big = errors_of(std::string(kConfigBytesMax + 1, '\n'));
  EXPECT_EQ(big, "c.toml: larger than 4m bytes\n");
}

TEST(Load, IncludesFilesInOrder) {
  const TempDir directory;
  directory.write("conf.d/20.toml",
                  "[[match]]\npattern = \"c\"\ntype = \"local\"\npath = \"/c\"\n");
  directory.write(
      "conf.d/10.toml",
      "[system]\nworkers = 2\n[[match]]\npattern = \"b\"\ntype = \"local\"\npath = \"/b\"\n");
  directory.write("conf.d/note.txt", "not toml");
  const std::string text = "include = [\"conf.d/*.toml\", \"conf.d/10.toml\", \"none/*.toml\"]\n" +
                           kSource + "[[match]]\npattern = \"a\"\ntype = \"local\"\n";
  const auto loaded = load(directory.write("c.toml", text), options_with({}));
  ASSERT_TRUE(loaded) << problems_text(loaded.error().errors);
  EXPECT_EQ(loaded->config.system.workers, 2U);
  ASSERT_EQ(loaded->config.matches.size(), 3U);
  EXPECT_THAT(loaded->config.matches[0].patterns, ElementsAre("a"));
  EXPECT_THAT(loaded->config.matches[1].patterns, ElementsAre("b"));
  EXPECT_THAT(loaded->config.matches[2].patterns, ElementsAre("c"));
}

TEST(Load, RefusesWhatIncludesMayNotDo) {
  const TempDir directory;
  directory.write("a.toml", "include = [\"b.toml\"]\n[system]\nworkers = 2\n");
  directory.write("b.toml", "[system]\nworkers = x\n");
  const std::string text =
      "include = [\"?.toml\", \"no.toml\"]\n[system]\nworkers = 1\n" + kSource + kLocal;
  const auto loaded = load(directory.write("main.toml", text), options_with({}));
  ASSERT_FALSE(loaded);
  const std::string printed = problems_text(loaded.error().errors);
  EXPECT_THAT(printed, HasSubstr("main.toml:1: include: there is no file "));
  EXPECT_THAT(printed, HasSubstr("a.toml:1: include is not allowed in an included file"));
  EXPECT_THAT(printed, HasSubstr("a.toml:2: [system] is defined twice"));
  EXPECT_THAT(printed, HasSubstr("main.toml:2"));
  EXPECT_THAT(printed, HasSubstr("b.toml:2: not a value of TOML"));
}

TEST(Load, ReadsTheSystemAlone) {
  const TempDir directory;
  directory.write("a.toml", "[system]\nroot_dir = \"/a\"\n[[match]]\npattern = \"${NOPE}\"\n");
  const auto system =
      load_system(directory.write("c.toml", "include = [\"a.toml\"]\n[[source]]\nbad = 1\n", 0644),
                  options_with({}));
  ASSERT_TRUE(system) << problems_text(system.error().errors);
  EXPECT_EQ(system->root_dir, "/a");
  const auto wrong =
      load_system(directory.write("d.toml", "[system]\nroot_dir = 1\n"), options_with({}));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(problems_text(wrong.error().errors), HasSubstr("root_dir needs a string"));
  EXPECT_FALSE(load_system("/nonexistent/m.toml", options_with({})));
}

TEST(Load, AsksForPatterns) {
  const TempDir directory;
  LoadOptions options = options_with({});
  options.pattern_check = [](std::string_view pattern) -> std::optional<std::string> {
    if (pattern == "a.{b") return "the brace of \"a.{b\" is not closed";
    return std::nullopt;
  };
  const std::string text = kSource + "[[match]]\npattern = [\"x\", \"a.{b\"]\ntype = \"local\"\n";
  const auto loaded = load(directory.write("c.toml", text), options);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(problems_text(loaded.error().errors),
              HasSubstr(":4: the brace of \"a.{b\" is not closed\n"
                        "  4 | pattern = [\"x\", \"a.{b\"]\n"
                        "                      ^^^^^^\n"));
}

}  // namespace
}  // namespace millrace::config
