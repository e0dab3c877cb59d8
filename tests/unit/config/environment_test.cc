// SPDX-License-Identifier: Apache-2.0
#include "config/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::config {
namespace {

std::optional<std::string> lookup(const std::string& name) {
  if (name == "A") return "1";
  if (name == "EMPTY") return "";
  if (name == "BAD") return "\xff";
  if (name == "BIG") return std::string(70'000, 'x');
  if (name == "REF") return "${A}";
  return std::nullopt;
}

std::string expanded(std::string_view text) {
  const auto result = expand(text, lookup);
  return result ? *result : "error: " + result.error().message;
}

TEST(Environment, ReplacesReferences) {
  EXPECT_EQ(expanded("${A}"), "1");
  EXPECT_EQ(expanded("x${A}y${A}z"), "x1y1z");
  EXPECT_EQ(expanded("${EMPTY}"), "");
  EXPECT_EQ(expanded("${NO:-d}"), "d");
  EXPECT_EQ(expanded("${NO:-}"), "");
  EXPECT_EQ(expanded("${EMPTY:-d}"), "d");
  EXPECT_EQ(expanded("${A:-d}"), "1");
  EXPECT_EQ(expanded("${REF}"), "${A}");  // once, not again
}

TEST(Environment, LeavesOtherTextAlone) {
  for (const char* text : {"", "$", "$A", "a$b", "}", "{A}", "$$", "100$"}) {
    EXPECT_EQ(expanded(text), text);
  }
  EXPECT_EQ(expanded("$${A}"), "${A}");
}

TEST(Environment, RefusesWhatItCannotReplace) {
  for (const char* text : {"${NO}", "${", "${A", "${}", "${1A}", "${A B}", "${:-x}", "${BAD}",
                           "${BIG}", "${tag[0]}"}) {
    EXPECT_THAT(expanded(text), testing::StartsWith("error: ")) << text;
  }
}

TEST(Environment, TellsWhatTheFileItselfHolds) {
  EXPECT_EQ(literal_part("${A}"), "");
  EXPECT_EQ(literal_part("a${A}b"), "ab");
  EXPECT_EQ(literal_part("${A:-secret}"), "secret");
}

}  // namespace
}  // namespace millrace::config
