// SPDX-License-Identifier: Apache-2.0
// What cannot be decoded: refused twice, then kept as it came, durable before it is answered.

#include <gtest/gtest.h>

#include "ingest/refusals.h"
#include "tests/support/ingest_harness.h"
#include "tests/support/memory_files.h"

namespace millrace::testing {
namespace {

using input::Verdict;
using metrics::Metric;

const std::string kFrame = "\x93 a frame of any bytes \xff";

struct Undecodable : public ::testing::Test {
  Undecodable() : harness(files, "root", match()) { CHECK(harness.start().has_value()); }

  static config::Match match() {
    config::Match out;
    out.patterns = {"app.**"};
    out.id = "out";
    return out;
  }
  Verdict give(const std::string& tag, const std::string& chunk) {
    return harness.give_up(tag, kFrame, chunk);
  }
  MemoryFileSystem files;
  IngestHarness harness;
};

TEST_F(Undecodable, TheThirdTimeItIsKeptAsItCame) {
  EXPECT_EQ(give("app.a", "c1"), Verdict::kMalformed);
  EXPECT_EQ(give("app.a", "c1"), Verdict::kMalformed);
  harness.commit();
  EXPECT_TRUE(harness.dead("out").empty());
  EXPECT_EQ(give("app.a", "c1"), Verdict::kTaken);
  EXPECT_EQ(harness.stored_count, 0u);
  harness.commit();
  EXPECT_EQ(harness.stored_count, 1u);
  const auto letters = harness.dead("out");
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].first, kFrame);
  EXPECT_EQ(letters[0].second["reason"], "undecodable");
  EXPECT_EQ(letters[0].second["payload_format"], buffer::kFormatOpaque);
  EXPECT_EQ(letters[0].second["metadata"]["tag"], "app.a");
  // A lost ack: it comes again, and is there.
  EXPECT_EQ(give("app.a", "c1"), Verdict::kDone);
  harness.commit();
  EXPECT_EQ(harness.dead("out").size(), 1u);
}

TEST_F(Undecodable, AnotherChunkOrTagIsAnotherMessage) {
  for (const char* chunk : {"c1", "c2", "c3"}) {
    EXPECT_EQ(give("app.a", chunk), Verdict::kMalformed);
    EXPECT_EQ(give("app.b", chunk), Verdict::kMalformed);
  }
  harness.commit();
  EXPECT_TRUE(harness.dead("out").empty());
}

TEST_F(Undecodable, WithoutAMatchItLiesWithTheUnmatched) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(give("other", "c1"), Verdict::kMalformed);
  EXPECT_EQ(give("other", "c1"), Verdict::kTaken);
  harness.commit();
  ASSERT_EQ(harness.dead("unmatched").size(), 1u);
  EXPECT_EQ(harness.dead("unmatched")[0].first, kFrame);
  EXPECT_EQ(harness.dead("unmatched")[0].second["reason"], "undecodable");
}

}  // namespace
}  // namespace millrace::testing
