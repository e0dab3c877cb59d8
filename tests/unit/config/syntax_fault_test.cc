// SPDX-License-Identifier: Apache-2.0
#include "config/syntax_fault.h"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

TEST(SyntaxFault, ReadsThePlacesOfTheLibrary) {
  const SyntaxFault fault = read_library_text(
      "[error] toml::insert_value: table (\"x\") already exists.\n"
      " --> f.toml\n"
      "    |\n"
      "  1 | [x]\n"
      "    | ~~~ table already exists here\n"
      " ...\n"
      " 12 |   [x]\n"
      "    |   ~~~ table defined twice\n");
  EXPECT_EQ(fault.what, "defined twice");
  EXPECT_EQ(fault.line, 12U);
  EXPECT_EQ(fault.column, 3U);
  EXPECT_EQ(fault.width, 3U);
  EXPECT_EQ(fault.other_line, 1U);
}

TEST(SyntaxFault, KeepsTitlesItDoesNotKnow) {
  EXPECT_EQ(plain_title("[error] toml::parse_x: something new"), "something new");
  EXPECT_EQ(plain_title("something new"), "something new");
  const SyntaxFault fault = read_library_text("[error] nothing else\n");
  EXPECT_EQ(fault.line, 0U);
  EXPECT_EQ(fault.what, "nothing else");
  EXPECT_EQ(read_library_text("").what, "");
}

TEST(SyntaxFault, HintsAtWhatPeopleWrite) {
  EXPECT_EQ(syntax_hint("log_level = info"), "a text stands in quotes: log_level = \"info\"");
  EXPECT_EQ(syntax_hint("  path = /var/lib"), "a text stands in quotes: path = \"/var/lib\"");
  EXPECT_EQ(syntax_hint("workers 5"), "write it as workers = ...");
  EXPECT_EQ(syntax_hint("a = \"b\" c"), "");
  EXPECT_EQ(syntax_hint("a = 1.5.5"), "");
  EXPECT_EQ(syntax_hint(""), "");
}

}  // namespace
}  // namespace millrace::config
