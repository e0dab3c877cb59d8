// SPDX-License-Identifier: Apache-2.0
// Records are the golden vectors of the KPL format: A1 and A2 (aggregated), A12 (a wrong MD5),
// A5 (a required field missing).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/exit_code.h"
#include "base/encoding.h"
#include "cli/commands.h"
#include "tests/unit/cli/captured.h"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

const std::string kA1 =
    *hex_decode("f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b83");
const std::string kA2 = *hex_decode(
    "f3899ac20a01610a12746573745f706172746974696f6e5f6b65791a3608011a327b2261223a312c2274696d65223a"
    "22323031312d30312d30325431333a31343a31355a222c22746167223a2274657374227d1a3608011a327b2261223a"
    "322c2274696d65223a22323031312d30312d30325431333a31343a31355a222c22746167223a2274657374227da20e"
    "20798b02dfaeab931c3bcbad1f78");
const std::string kA5 = *hex_decode("f3899ac20a02706b1a0208005cfc7504fcd9ea247156a872c68cbdb7");
const std::string kA12 =
    *hex_decode("f3899ac20a02706b1a0b08001a077b2261223a317d6cb75d70fdec90b14d92051f1f079b82");
const std::string kA1Line = "{\"a\":1}\n";
const std::string kA2Lines =
    "{\"a\":1,\"time\":\"2011-01-02T13:14:15Z\",\"tag\":\"test\"}\n"
    "{\"a\":2,\"time\":\"2011-01-02T13:14:15Z\",\"tag\":\"test\"}\n";

Captured decoded(const std::string& input, bool meta = false) {
  Arguments arguments;
  arguments.meta = meta;
  return captured(input, [&](int in, Output& out) { return decode(arguments, in, out); });
}

nlohmann::ordered_json entry(const std::string& data, const std::string& sequence = "7") {
  return {{"SequenceNumber", sequence},
          {"ApproximateArrivalTimestamp", 1700000000.123},
          {"PartitionKey", "outer"},
          {"Data", base64_encode(data)}};
}

std::string line(const std::string& data) { return entry(data).dump() + "\n"; }

TEST(Decode, ReadsTheBytesOfARecord) {
  EXPECT_EQ(decoded(kA1).out, kA1Line);
  EXPECT_EQ(decoded(kA2).out, kA2Lines);
  EXPECT_EQ(decoded(kA2).exit_code, app::kExitFine);
  EXPECT_EQ(decoded("").out, "");
  EXPECT_EQ(decoded("").exit_code, app::kExitFine);
}

TEST(Decode, ReadsALocalStream) {
  EXPECT_EQ(decoded(line(kA1) + line(kA2) + "\n" + line(kA1)).out, kA1Line + kA2Lines + kA1Line);
}

TEST(Decode, ReadsGetRecords) {
  const nlohmann::ordered_json reply{
      {"Records", {entry(kA1), entry(kA2)}}, {"NextShardIterator", "x"}, {"MillisBehindLatest", 0}};
  EXPECT_EQ(decoded(reply.dump(4)).out, kA1Line + kA2Lines);
  EXPECT_EQ(decoded(reply.dump()).out, kA1Line + kA2Lines);
  EXPECT_EQ(decoded(reply.dump() + "\n" + reply.dump() + "\n").out,
            kA1Line + kA2Lines + kA1Line + kA2Lines);
  EXPECT_EQ(decoded("{\"Records\": []}").exit_code, app::kExitFine);
}

TEST(Decode, PassesOnWhatIsNotAggregated) {
  EXPECT_EQ(decoded(line("hello") + line("{\"x\":\n1}\n") + line("two\nlines") + line("42") +
                    line("caf\xc3\xa9\tau lait\n") + line("\x1b[31m") + line("\xff"))
                .out,
            "hello\n{\"x\": 1}\n\"two\\nlines\"\n42\ncaf\xc3\xa9\tau lait\n\"\\u001b[31m\"\n"
            "\"\xef\xbf\xbd\"\n");
  EXPECT_EQ(decoded("plain text\n").out, "plain text\n");
  EXPECT_EQ(decoded("{\"level\":\"info\"}\n").out, "{\"level\":\"info\"}\n");
  EXPECT_EQ(decoded("{\n\"level\":\"info\"\n}\n").out, "{ \"level\":\"info\" }\n");
}

TEST(Decode, PrintsMeta) {
  const std::string out = decoded(line(kA2) + line("x y") + line("\xff\xfe"), true).out;
  EXPECT_EQ(
      out,
      "{\"partition_key\":\"test_partition_key\",\"sub_sequence\":0,\"sequence_number\":\"7\","
      "\"data\":{\"a\":1,\"time\":\"2011-01-02T13:14:15Z\",\"tag\":\"test\"}}\n"
      "{\"partition_key\":\"test_partition_key\",\"sub_sequence\":1,\"sequence_number\":\"7\","
      "\"data\":{\"a\":2,\"time\":\"2011-01-02T13:14:15Z\",\"tag\":\"test\"}}\n"
      "{\"partition_key\":\"outer\",\"sub_sequence\":0,\"sequence_number\":\"7\","
      "\"data\":\"x y\"}\n"
      "{\"partition_key\":\"outer\",\"sub_sequence\":0,\"sequence_number\":\"7\","
      "\"data_base64\":\"//4=\"}\n");
  EXPECT_THAT(decoded(kA1, true).out, HasSubstr("\"sequence_number\":null,\"data\":{\"a\":1}}\n"));
}

TEST(Decode, LeavesOutWhatWasSentAgain) {
  const std::string plain = line("not aggregated");
  Arguments arguments;
  arguments.dedup = true;
  const auto run = [&](int in, Output& out) { return decode(arguments, in, out); };
  const Captured got = captured(line(kA1) + line(kA2) + plain + line(kA1) + plain, run);
  EXPECT_EQ(got.out, kA1Line + kA2Lines + "not aggregated\nnot aggregated\n");
  EXPECT_EQ(got.exit_code, app::kExitFine);
  EXPECT_THAT(got.complaints, HasSubstr("left out 1 records that were sent again"));
  nlohmann::ordered_json other = entry(kA1);
  other["PartitionKey"] = "another";
  EXPECT_EQ(captured(line(kA1) + other.dump() + "\n", run).out, kA1Line + kA1Line);
}

TEST(Decode, TellsDamageAndPrintsTheOthers) {
  const Captured result =
      decoded(line(kA1) + line(kA12) + line(kA5) + "{\"Data\":\"!\"}\n" +
              "{\"a\":1}\nnonsense\n[]\n" + line(kA2) + line(kA1).substr(0, 50));
  EXPECT_EQ(result.out, kA1Line + kA2Lines);
  EXPECT_EQ(result.exit_code, app::kExitBadData);
  EXPECT_EQ(result.complaints,
            "stdin:2: damaged record: its MD5 does not fit\n"
            "stdin:3: damaged record: a required field is missing\n"
            "stdin:4: damaged record: Data is not base64\n"
            "stdin:5: damaged record: the line has neither Data nor Records\n"
            "stdin:6: damaged record: the line is not JSON\n"
            "stdin:7: damaged record: the line has neither Data nor Records\n"
            "stdin:9: damaged record: the line is cut short\n");
}

TEST(Decode, TellsDamageInOtherForms) {
  EXPECT_EQ(decoded(kA12).complaints, "stdin: damaged record: its MD5 does not fit\n");
  EXPECT_EQ(decoded(line(kA1).substr(0, 50)).complaints,
            "stdin:1: damaged record: the line is cut short\n");
  nlohmann::ordered_json reply{{"Records", {entry(kA12), 5, entry(kA1)}}};
  const Captured result = decoded(reply.dump(2));
  EXPECT_EQ(result.out, kA1Line);
  EXPECT_EQ(result.complaints,
            "stdin: Records[0]: damaged record: its MD5 does not fit\n"
            "stdin: Records[1]: damaged record: it has no Data\n");
  EXPECT_THAT(decoded(reply.dump(2).substr(0, 100)).complaints,
              HasSubstr("stdin: damaged record: the JSON does not end"));
  EXPECT_THAT(decoded(std::string(17 << 20, 'x')).complaints,
              HasSubstr("stdin: damaged record: larger than 16m bytes\n"));
}

TEST(Decode, ReadsFilesByName) {
  char name[] = "/tmp/millrace_decode_XXXXXX";
  const UniqueFd fd(::mkstemp(name));
  std::ofstream(name) << line(kA1);
  Arguments arguments;
  arguments.files = {name, "/nonexistent/file", "-"};
  const Captured result =
      captured(line(kA2), [&](int in, Output& out) { return decode(arguments, in, out); });
  ::unlink(name);
  EXPECT_EQ(result.out, kA1Line + kA2Lines);
  EXPECT_EQ(result.complaints,
            "millrace: cannot read /nonexistent/file: No such file or directory\n");
  EXPECT_EQ(result.exit_code, app::kExitBadData);
}

TEST(Decode, ADirectoryIsNoInput) {
  Arguments arguments;
  arguments.files = {"/tmp", "-"};
  const Captured result =
      captured(line(kA1), [&](int in, Output& out) { return decode(arguments, in, out); });
  EXPECT_EQ(result.out, kA1Line);
  EXPECT_EQ(result.complaints, "millrace: cannot read /tmp: it is a directory\n");
  EXPECT_EQ(result.exit_code, app::kExitBadData);
}

TEST(Decode, StopsWhenItsReaderWentAway) {
  std::signal(SIGPIPE, SIG_IGN);  // as main() does
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  std::string input;
  for (int i = 0; i < 10'000; ++i) input += line(kA2);
  const UniqueFd in = scratch_file(input);
  Output out(ends[1]);
  EXPECT_EQ(decode(Arguments{}, in.get(), out), app::kExitFine);
  EXPECT_LT(::lseek(in.get(), 0, SEEK_CUR), static_cast<off_t>(input.size()));
  ::close(ends[1]);
}

TEST(Decode, TellsThatTheDiskIsFull) {
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  testing::internal::CaptureStderr();
  const UniqueFd in = scratch_file(line(kA1));
  Output out(full.get());
  EXPECT_EQ(decode(Arguments{}, in.get(), out), app::kExitDisk);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "millrace: cannot write the output: No space left on device\n");
}

}  // namespace
}  // namespace millrace::cli
