// SPDX-License-Identifier: Apache-2.0
#include "config/toml_gate.h"

#include <gtest/gtest.h>

#include <string>

#include "config/config_file.h"

namespace millrace::config {
namespace {

std::string fault_of(const std::string& text) {
  const auto fault = gate_toml(text);
  if (!fault) return "";
  return std::to_string(fault->line) + ":" + std::to_string(fault->column) + " " + fault->what;
}

std::string repeated(const std::string& part, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

TEST(TomlGate, TakesWhatPeopleWrite) {
  EXPECT_EQ(fault_of(""), "");
  EXPECT_EQ(fault_of("# ümläut\n[a]\nb = \"[[[\" # [[[\n"), "");
  EXPECT_EQ(fault_of("a = \"\\\"[\"\nb = '\\'\nc = '''[\n[\n'''\nd = \"\"\"\\\n[\"\"[\"\"\"\n"),
            "");
  EXPECT_EQ(fault_of(repeated("[", 64) + repeated("]", 64)), "");
  EXPECT_EQ(fault_of(repeated("a = [{b = 1}]\n", 1000)), "");
}

TEST(TomlGate, BoundsDepth) {
  EXPECT_EQ(fault_of("a = " + repeated("[", 65)), "1:69 brackets are nested deeper than 64");
  EXPECT_EQ(fault_of("a = " + repeated("[\n", 65)), "65:1 brackets are nested deeper than 64");
  EXPECT_EQ(fault_of("a = " + repeated("{b=", 65)), "1:197 brackets are nested deeper than 64");
  // Behind a string that the library would not read to the end of the file.
  EXPECT_NE(fault_of("a = \"\n" + repeated("[", 65)), "");
  EXPECT_NE(fault_of("a = 'it''s' \n" + repeated("[", 65)), "");
  EXPECT_NE(fault_of("a = \"\"\"x\"\"\"\"\" \n" + repeated("[", 65)), "");
}

TEST(TomlGate, BoundsDotsOfALine) {
  EXPECT_EQ(fault_of(repeated("a.", 64) + "b = 1\n" + repeated("a.", 64) + "b = 1\n"), "");
  EXPECT_EQ(fault_of(repeated("a.", 65) + "b = 1"),
            "1:130 more than 64 dots on a line, outside of strings");
  EXPECT_EQ(fault_of("a = \"" + repeated(".", 1000) + "\" # " + repeated(".", 1000)), "");
}

TEST(TomlGate, BoundsLinesAndValues) {
  EXPECT_EQ(fault_of("#" + repeated("x", kLineBytesMax - 1) + "\n#"), "");
  EXPECT_EQ(fault_of("\n#" + repeated("x", kLineBytesMax)),
            "2:65537 the line is longer than 64 KiB");
  EXPECT_EQ(fault_of(repeated("a=1\n", kValuesMax)), "");
  EXPECT_EQ(fault_of(repeated("a=1\n", kValuesMax + 1)), "10001:2 more than 10000 values");
  EXPECT_EQ(fault_of(std::string(kConfigBytesMax, '\n')), "");
  EXPECT_EQ(fault_of(std::string(kConfigBytesMax + 1, '\n')), "1:1 the file is larger than 4 MiB");
}

TEST(TomlGate, TakesOnlyUtf8) {
  EXPECT_EQ(fault_of("# ok\na = \"\xc3\x28\"\n"), "2:6 a byte that is not valid UTF-8");
  EXPECT_EQ(fault_of("# \xed\xa0\x80"), "1:3 a byte that is not valid UTF-8");
  EXPECT_EQ(fault_of("a = \"\\\xff\""), "1:7 a byte that is not valid UTF-8");
  EXPECT_EQ(fault_of(std::string("a = 1\n\0", 7)), "2:1 a NUL character");
  EXPECT_EQ(fault_of(std::string("a = \"\\\0\"", 8)), "1:7 a NUL character");
  const std::string control = "a control character; only tabs may stand in a file of TOML";
  for (const char* text :
       {"a = \"\x01\"", "a = \"\\\x01\"", "a = '\x1b'", "# x \x7f", "a = \x08"}) {
    EXPECT_EQ(fault_of(text).substr(4), control) << text;
  }
  EXPECT_EQ(fault_of("a = 1\t# tab\r\nb = 2\r\n"), "");
}

}  // namespace
}  // namespace millrace::config
