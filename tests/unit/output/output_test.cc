// SPDX-License-Identifier: Apache-2.0
#include "output/output.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>

namespace millrace::output {
namespace {

TEST(Output, EveryOutcomeHasItsWord) {
  std::set<std::string_view> words;
  for (const Outcome outcome :
       {Outcome::kCommitted, Outcome::kThrottled, Outcome::kAmbiguous, Outcome::kUnavailable,
        Outcome::kNotAuthorized, Outcome::kRejected}) {
    words.insert(outcome_name(outcome));
  }
  EXPECT_EQ(words.size(), 6u);
  EXPECT_EQ(outcome_name(Outcome::kNotAuthorized), "not_authorized");
}

TEST(Output, TheTypeDecidesWhatIsMade) {
  std::string folder = "/tmp/millrace_output_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  config::System system;
  system.root_dir = folder;
  config::Match match;
  match.type = config::OutputType::kLocal;
  const auto local = make_output(match, system);
  ASSERT_TRUE(local) << local.error().message;
  EXPECT_EQ((*local)->target(), "files in " + folder + "/output");

  match.type = config::OutputType::kKinesisAggregation;
  match.kinesis = {};
  match.kinesis.stream_name = "events";
  match.kinesis.region = "eu-west-1";
  match.kinesis.aws_key_id = "AKIDEXAMPLE";
  match.kinesis.aws_sec_key = "secret";
  const auto kinesis = make_output(match, system);
  ASSERT_TRUE(kinesis) << kinesis.error().message;
  EXPECT_EQ((*kinesis)->target(), "stream events at https://kinesis.eu-west-1.amazonaws.com/");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::output
