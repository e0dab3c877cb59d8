// SPDX-License-Identifier: Apache-2.0
#include "config/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/load_support.h"

namespace millrace::config {
namespace {

using testing::HasSubstr;

std::string match(const std::string& pattern, const std::string& lines) {
  return "[[match]]\npattern = \"" + pattern + "\"\ntype = \"local\"\n" + lines;
}

TEST(Validate, CountsWhatARecordHoldsBesideTheBody) {
  // aggregation-format.md: a 36-byte key costs 94 bytes, a 32-byte one 86, a 16-byte one 54.
  EXPECT_EQ(record_overhead(36, KplCompat::kNone), 94U);
  EXPECT_EQ(record_overhead(32, KplCompat::kNone), 86U);
  EXPECT_EQ(record_overhead(16, KplCompat::kNone), 54U);
  EXPECT_EQ(record_overhead(36, KplCompat::kFluentd), 97U);
  EXPECT_EQ(record_overhead(256, KplCompat::kNone), 20U + 1 + 2 + 256 + 256);
}

TEST(Validate, AChunkFitsIntoARecord) {
  const std::string head = kSource + match("**", "record_limit = \"64k\"\n");
  config_of(head + "[match.buffer]\nchunk_limit_size = 65336\n");
  EXPECT_THAT(
      errors_of(head + "[match.buffer]\nchunk_limit_size = 65337\n"),
      HasSubstr("chunk_limit_size (65337 bytes) does not fit into a record: 65336 bytes are "
                "left of record_limit (64k)\n"));
  EXPECT_THAT(errors_of(head), HasSubstr("c.toml:6: chunk_limit_size (307200 bytes)"));
  EXPECT_THAT(warnings_of(kSource + match("**", "[match.buffer]\nchunk_limit_size = \"350k\"\n")),
              HasSubstr("chunk_limit_size (350k) is more than a third of record_limit (1m)\n"));
  // A long key takes more than the 200 bytes that are kept free: 20 + 1 + 2 + 256 + 256.
  const std::string long_key = kSource + match("**",
                                               "record_limit = \"64k\"\nfixed_partition_key "
                                               "= \"" +
                                                   std::string(256, 'k') + "\"\n");
  config_of(long_key + "[match.buffer]\nchunk_limit_size = 65001\n");
  EXPECT_THAT(errors_of(long_key + "[match.buffer]\nchunk_limit_size = 65002\n"),
              HasSubstr(": 65001 bytes are left of record_limit (64k)\n"));
}

TEST(Validate, NamesAndPlacesAreUsedOnce) {
  EXPECT_THAT(errors_of(kSource + "[[source]]\ntype = \"forward\"\nid = \"b\"\n" + kLocal),
              HasSubstr("the address \"127.0.0.1:24224\" is used twice\n"));
  EXPECT_THAT(errors_of(kSource + "id = \"a\"\n" + kSource + "port = 1\nid = \"a\"\n" + kLocal),
              HasSubstr("c.toml:7: the id \"a\" is used twice\n"
                        "  7 | id = \"a\"\n"
                        "           ^^^\n"
                        "  the first time in "));
  EXPECT_THAT(errors_of(kSource + match("a", "") + kLocal),
              HasSubstr("the path \"/var/lib/millrace/output\" is used twice\n"));
  EXPECT_THAT(errors_of(kSource + match("a", "path = \"/a\"\n[match.buffer]\npath = \"/b\"\n") +
                        kLocal + "[match.buffer]\npath = \"/b/./\"\n"),
              HasSubstr("the buffer's path \"/b\" is used twice\n"));
  // Any free port may be asked for twice.
  config_of(kSource + "port = 0\n" + kSource + "port = 0\n" + kLocal);
}

TEST(Validate, NoBufferLiesInAnother) {
  const std::string head = kSource + kLocal + "[match.buffer]\n";
  for (const char* const path : {"/var/lib/millrace", "/var/lib/millrace/./worker1/x"}) {
    EXPECT_THAT(errors_of(head + "path = \"" + path + "\"\n"),
                HasSubstr("the buffer's path is where root_dir has buffers\n"));
  }
  config_of(head + "path = \"/var/lib/millrace/own\"\n");
  const std::string two = kSource + match("a", "path = \"/a\"\n[match.buffer]\npath = \"/b\"\n") +
                          head.substr(kSource.size());
  EXPECT_THAT(errors_of(two + "path = \"/b/worker0/dead\"\n"),
              HasSubstr("the buffer's path is in the buffer of "));
  config_of(two + "path = \"/b/own\"\n");
}

TEST(Validate, ASecondaryHasAPlaceOfItsOwn) {
  const std::string head = kSource + match("**", "[match.buffer]\npath = \"/b\"\n");
  const Config config =
      config_of(head + "[match.secondary]\ntype = \"secondary_file\"\ndirectory = \"/d\"\n");
  ASSERT_TRUE(config.matches[0].secondary);
  EXPECT_EQ(config.matches[0].secondary->directory, "/d");
  EXPECT_EQ(config.matches[0].secondary->basename, "dump.bin");
  EXPECT_FALSE(config_of(head).matches[0].secondary);
  config_of(head + "[match.secondary]\ntype = \"file\"\ndirectory = \"/bb\"\n");
  EXPECT_THAT(errors_of(head + "[match.secondary]\n"),
              HasSubstr("[match.secondary] has no directory\n"));
  EXPECT_THAT(errors_of(head + "[match.secondary]\ndirectory = \"/b/worker0/../kept\"\n"),
              HasSubstr("the secondary's directory is in the buffer of local\n"));
  EXPECT_THAT(errors_of(head + "[match.secondary]\ndirectory = \"/var/lib/millrace/\"\n"),
              HasSubstr("the secondary's directory is root_dir itself\n"));
  EXPECT_THAT(errors_of(head + "[match.secondary]\ndirectory = \"kept\"\n"),
              HasSubstr("is not an absolute path"));
  EXPECT_THAT(errors_of(head + "[match.secondary]\ntype = \"s3\"\ndirectory = \"/d\"\n"),
              HasSubstr("allowed: \"file\", \"secondary_file\""));
  const std::string named = head + "[match.secondary]\ndirectory = \"/d\"\nbasename = ";
  EXPECT_THAT(errors_of(named + "\"a/b\"\n"),
              HasSubstr("has a slash, but it begins a file's name"));
  EXPECT_THAT(errors_of(named + "\".a\"\n"), HasSubstr("begins with a dot"));
  EXPECT_THAT(errors_of(named + "\"a\\tb\"\n"), HasSubstr("has a control character"));
}

TEST(Validate, LimitsFitTogether) {
  EXPECT_THAT(errors_of(kSource + "frame_limit = \"200m\"\n" + kLocal),
              HasSubstr("receive_memory_limit (128m) is less than frame_limit (200m)\n"));
  EXPECT_THAT(errors_of(kSource + kLocal + "time_key = \"x\"\ntag_key = \"x\"\n"),
              HasSubstr("time_key and tag_key are both \"x\"\n"));
  config_of(kSource + kLocal + "inject = false\ntime_key = \"x\"\ntag_key = \"x\"\n");
  EXPECT_THAT(errors_of(kSource + kLocal + "[match.buffer]\nretry_wait = \"1m\"\n"),
              HasSubstr("retry_max_interval (30s) is less than retry_wait (1m)\n"));
  EXPECT_THAT(
      errors_of("[system]\nroot_dir = \"/" + std::string(100, 'r') + "\"\n" + kSource + kLocal),
      HasSubstr("root_dir is too long for the control socket in it: 101 bytes\n"));
}

TEST(Validate, CredentialsComeInPairs) {
  const std::string head = kSource +
                           "[[match]]\npattern = \"**\"\ntype = \"kinesis_aggregation\"\n"
                           "stream_name = \"s\"\nregion = \"r\"\n";
  EXPECT_THAT(errors_of(head + "aws_key_id = \"a\"\n"),
              HasSubstr("aws_key_id is given without aws_sec_key\n"));
  EXPECT_THAT(errors_of(head + "aws_sec_key = \"a\"\n"),
              HasSubstr("aws_sec_key is given without aws_key_id\n"));
  EXPECT_THAT(errors_of(head + "aws_ses_token = \"a\"\n"),
              HasSubstr("aws_ses_token is given without aws_key_id and aws_sec_key\n"));
  EXPECT_THAT(warnings_of(head),
              HasSubstr("no AWS credentials in this file or this environment\n"));
  EXPECT_EQ(warnings_of(head, {{"AWS_ACCESS_KEY_ID", "a"}, {"AWS_SECRET_ACCESS_KEY", "b"}}), "");
  EXPECT_EQ(warnings_of(kSource + kKinesis), "");
}

TEST(Validate, WarnsOfTagsThatGoNowhereAndMatchesThatGetNone) {
  EXPECT_THAT(
      warnings_of(kSource + match("a.**", "")),
      HasSubstr("warning: no [[match]] takes every tag; other events are kept under dead/\n"));
  EXPECT_THAT(warnings_of("[system]\nunmatched = \"drop\"\n" + kSource + match("a.**", "")),
              HasSubstr("other events are dropped\n"));
  EXPECT_THAT(warnings_of(kSource + kLocal + match("a", "path = \"/a\"\n")),
              HasSubstr("c.toml:6: warning: no tag ever reaches this [[match]]\n"));
  EXPECT_EQ(warnings_of(kSource + match("a", "path = \"/a\"\n") + kLocal), "");
  EXPECT_EQ(warnings_of(kSource + match("a.* **", "")), "");
}

TEST(Validate, WarnsOfOptionsWithoutEffect) {
  EXPECT_THAT(warnings_of(kSource + kLocal +
                          "[match.buffer]\nretry_forever = true\nretry_timeout = \"1h\"\n"),
              HasSubstr("warning: retry_timeout has no effect\n"));
  EXPECT_THAT(warnings_of(kSource + kLocal +
                          "[match.buffer]\nflush_mode = \"lazy\"\nflush_interval = \"1s\"\n"),
              HasSubstr("warning: flush_interval has no effect\n"));
  EXPECT_THAT(warnings_of(kSource + kKinesis + "request_timeout = \"8s\"\n"),
              HasSubstr("request_timeout (8s) is shorter than connect_timeout (5s) or "
                        "first_byte_timeout (10s)"));
}

}  // namespace
}  // namespace millrace::config
