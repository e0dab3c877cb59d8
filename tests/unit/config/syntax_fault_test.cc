// SPDX-License-Identifier: Apache-2.0
#include "config/syntax_fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/config/load_support.h"

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

TEST(SyntaxFault, ShowsNoTitleItDoesNotKnow) {
  EXPECT_EQ(plain_title("[error] toml::parse_x: something new"), "not readable as TOML");
  EXPECT_EQ(plain_title(""), "not readable as TOML");
  const SyntaxFault fault = read_library_text("[error] nothing else\n");
  EXPECT_EQ(fault.line, 0U);
  EXPECT_EQ(fault.what, "not readable as TOML");
  EXPECT_EQ(read_library_text("").what, "not readable as TOML");
}

// Version 3 gives these, and a title without words.
TEST(SyntaxFault, TitlesHoldAKeyOfTheFile) {
  EXPECT_EQ(plain_title("[error] toml::insert_value: value (\"invalid date\") already exists."),
            "defined twice");
  EXPECT_EQ(plain_title("[error] toml::parse_boolean: "), "not a value of TOML");
}

TEST(SyntaxFault, IsPlacedInTheFile) {
  SyntaxFault fault;
  fault.line = 1;
  fault.column = 3;
  fault.source_line = "2026-13-01T00:00:00";
  SyntaxFault here = fault;
  place_in_file(here, "2026-13-01T00:00:00\r\n");
  EXPECT_EQ(here.line, 1U);
  EXPECT_EQ(here.column, 3U);
  SyntaxFault there = fault;
  place_in_file(there,
                "# 2026-13-01T00:00:00\na = \"2026-13-01T00:00:00\"\n b = 2026-13-01T00:00:00");
  EXPECT_EQ(there.line, 3U);
  EXPECT_EQ(there.column, 8U);
  SyntaxFault nowhere = fault;
  place_in_file(nowhere, "# 2026-13-01T00:00:00\n");
  EXPECT_EQ(nowhere.line, 0U);
}

struct Slip {
  const char* text;  // from line 3 on
  int line;
  const char* words;
};

constexpr const char* kNoValue = "not a value of TOML";
constexpr const char* kUnderscore = "a \"_\" in a number that is not between two digits";
constexpr const char* kNoDigit =
    "a number that lacks a digit before or behind its \".\", or behind its e";
constexpr const char* kNoDate = "not a date or time";
constexpr const char* kOpenString =
    "a string that is not closed, or a \\ that begins no escape of TOML";
constexpr const char* kNoCharacter = "an escape that is no character of Unicode";
constexpr const char* kNoArrayEnd = "no \",\" or \"]\" in an array";
constexpr const char* kNoArrayValue = "neither a value nor \"]\" in an array";
constexpr const char* kNoTableEnd = "no \",\" or \"}\" in an inline table";
constexpr const char* kAddition =
    "an addition to an inline table or array, which ends with its bracket";
constexpr const char* kNoKey =
    "not a key; one of other characters than letters, digits, _ and - stands in quotes";
constexpr const char* kNoLine = "neither a key nor a [table]";

constexpr Slip kValueSlips[] = {
    {"a = tru", 3, kNoValue},
    {"a = fals", 3, kNoValue},
    {"a = in", 3, kNoValue},
    {"a = nul", 3, kNoValue},
    {"a = TRUE", 3, kNoValue},
    {"a = @x", 3, kNoValue},
    {"a = info", 3, "more text after the value"},
    {"a = 1.5.5", 3, "more text after the value"},
    {"a = 0xZZ", 3, "0x without a hexadecimal number behind it"},
    {"a = 0b2", 3, "0b without a binary number behind it"},
    {"a = 0o9", 3, "0o without an octal number behind it"},
    {"a = 0y1", 3, "a number that begins with 0 and another letter than x, o or b"},
    {"a = 012", 3, "a number with a leading zero"},
    {"a = 1__000", 3, kUnderscore},
    {"a = _1", 3, kUnderscore},
    {"a = 1.5_", 3, kUnderscore},
    {"a = .5", 3, kNoDigit},
    {"a = 5.", 3, kNoDigit},
    {"a = 5e", 3, kNoDigit},
    {"a = 7:00", 3, kNoDate},
    {"a = 25:00:00", 3, kNoDate},
    {"a = 2026-13-01", 3, kNoDate},
    {"a = 2026-01-02T3:00:00", 3, kNoDate},
    {"a = 2026-01-0203:00", 3, kNoDate},
    {"b = 1\na = 2026-13-01T00:00:00", 4, kNoDate},
    {"b = 1\na = 2026-01-01T25:00:00", 4, kNoDate},
    {"a = 2026-01-01T00:00:00+9:00", 3, kNoDate},
    {"a = 2026-01-01T00:00:00+25:00", 3, kNoDate},
    {"a = \"x", 3, kOpenString},
    {"a = \"\\d\"", 3, kOpenString},
    {"a = \"\\u12\"", 3, kOpenString},
    {"a = \"\\ud800\"", 3, kNoCharacter},
    {"a = \"\\Uffffffff\"", 3, kNoCharacter},
    {"a = \"\"\"\nb\n\\ud800\"\"\"", 5, kNoCharacter},
    {"a = 'x", 3, "a string in ' that is not closed"},
    {"a = '''x", 3, "a string of several lines that does not end"},
    {"a = \"\"\"x", 3,
     "a string of several lines that does not end, or a \\ that begins no escape of TOML"},
};

constexpr Slip kLayoutSlips[] = {
    {"a = [1 2]", 3, kNoArrayEnd},
    {"a = [1, 2\nb = 3", 4, kNoArrayEnd},
    {"a = [x]", 3, kNoArrayValue},
    {"a = [1,\n tru,\n]", 4, kNoArrayValue},
    {"a = [", 4, kNoArrayValue},
    {"a = {b = 1 c = 2}", 3, kNoTableEnd},
    {"a = {b = 1", 3, kNoTableEnd},
    {"a = {b = 1,}", 3, "a \",\" before the \"}\" of an inline table"},
    {"a = {b = 1}\na.c = 2", 4, kAddition},
    {"a = {b = 1}\n[a.c]", 4, kAddition},
    {"[a] b = 1", 3, "more text after a [table]"},
    {"[[a]] b = 1", 3, "more text after a [table]"},
    {"a b = 1", 3, kNoKey},
    {"a..b = 1", 3, kNoKey},
    {"b = 1\n\"\\ud800\".c = 1", 4, kNoCharacter},
    {"= 1", 3, "no key before \"=\""},
    {"a", 3, "no \"=\" after the key"},
    {"a =", 3, "no value after \"=\""},
    {"[a", 3, kNoLine},
    {"[[a]", 3, kNoLine},
    {"]", 3, kNoLine},
    {"\"a = 1", 3, kNoLine},
    {"a = 1\n[a.b]", 4, "a key below one that is no table"},
    {"a = 1\na = [\n2\n]", 4, "defined twice"},
    {"[a]\nb = 1\n[a]", 5, "defined twice"},
    {"[a]\n[[a]]", 4, "defined twice"},
    {"a = 1\n[[a]]", 4, "defined twice"},
    {"a = [{b = 1}]\n[[a]]", 4, "defined twice"},
};

void expect_words(const Slip& slip) {
  const std::string printed = errors_of("# a file\n\n" + std::string(slip.text) + "\n");
  EXPECT_THAT(printed,
              testing::StartsWith("c.toml:" + std::to_string(slip.line) + ": " + slip.words + "\n"))
      << slip.text;
  EXPECT_THAT(printed, testing::Not(testing::HasSubstr("toml::"))) << slip.text;
}

// The library does not say where.
TEST(SyntaxFault, AKeyBelowAnEmptyArrayIsRefused) {
  for (const char* text : {"a = []\na.b = 1\n", "a = []\n[a.b]\n", "a = []\n[[a.b]]\n"}) {
    EXPECT_THAT(errors_of(text), testing::StartsWith("c.toml: a key below one that is no table\n"));
  }
}

TEST(SyntaxFault, ValuesAreRefusedInPlainWords) {
  for (const Slip& slip : kValueSlips) expect_words(slip);
}

TEST(SyntaxFault, LinesAreRefusedInPlainWords) {
  for (const Slip& slip : kLayoutSlips) expect_words(slip);
}

TEST(SyntaxFault, HintsAtWhatPeopleWrite) {
  EXPECT_EQ(syntax_hint("log_level = info"), "a text stands in quotes: log_level = \"info\"");
  EXPECT_EQ(syntax_hint("  path = /var/lib"), "a text stands in quotes: path = \"/var/lib\"");
  EXPECT_EQ(syntax_hint("workers 5"), "write it as workers = ...");
  EXPECT_EQ(syntax_hint("a = \"b\" c"), "");
  EXPECT_EQ(syntax_hint("a = 1.5.5"), "");
  EXPECT_EQ(syntax_hint("a = 5e"), "");
  EXPECT_EQ(syntax_hint("a = 0xZZ"), "");
  for (const char* line : {"a = tru", "a = fals", "a = True", "a = FALSE"}) {
    EXPECT_EQ(syntax_hint(line), "true and false are written out, in small letters") << line;
  }
  EXPECT_EQ(syntax_hint("a = t"), "a text stands in quotes: a = \"t\"");
  EXPECT_EQ(syntax_hint("a = trust"), "a text stands in quotes: a = \"trust\"");
  EXPECT_EQ(syntax_hint(""), "");
}

}  // namespace
}  // namespace millrace::config
