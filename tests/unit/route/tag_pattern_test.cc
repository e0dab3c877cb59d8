// SPDX-License-Identifier: Apache-2.0
#include "route/tag_pattern.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <regex>
#include <string>
#include <vector>

namespace millrace::route {
namespace {

bool matches(std::string_view pattern, std::string_view tag) {
  const Result<TagPattern> compiled = TagPattern::compile(pattern);
  EXPECT_TRUE(compiled) << pattern;
  return compiled && compiled->matches(tag);
}

std::string error_of(std::string_view pattern) {
  const Result<TagPattern> compiled = TagPattern::compile(pattern);
  return compiled ? "" : compiled.error().message;
}

struct Case {
  const char* pattern;
  std::vector<std::string> fits;
  std::vector<std::string> fails;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    for (const std::string& tag : one.fits) {
      EXPECT_TRUE(matches(one.pattern, tag)) << one.pattern << " on " << tag;
    }
    for (const std::string& tag : one.fails) {
      EXPECT_FALSE(matches(one.pattern, tag)) << one.pattern << " on " << tag;
    }
  }
}

TEST(TagPattern, MatchesPlainTags) {
  expect_all({{"a", {"a"}, {"b", "", "aa", "a.", "A"}},
              {"a.b", {"a.b"}, {"aab", "a", "a.b.c"}},
              {"a-b+c(d)[e]^$|?", {"a-b+c(d)[e]^$|?"}, {"a-bc"}},
              {"app.é", {"app.é"}, {"app.e"}}});
}

TEST(TagPattern, StarStaysInsideOnePart) {
  expect_all({{"a*", {"a", "ab", "abc"}, {"a.b", "ab.c", "ba"}},
              {"*a", {"a", "ba", "cba"}, {"ab", "b.a"}},
              {"*a*", {"a", "ba", "ac", "bac"}, {"b", "a.b"}},
              {"a.*", {"a.b", "a.c", "a."}, {"ab", "a", "a.b.c"}},
              {"a.*.c", {"a.b.c", "a.c.c", "a..c"}, {"a.c"}},
              {"*", {"", "a"}, {"a.b"}},
              {"*.*", {"a.b", "."}, {"a", "a.b.c"}}});
}

TEST(TagPattern, TwoStarsPassParts) {
  expect_all({{"a.**", {"a", "a.b", "a.b.c", "a."}, {"ab", "abc", "ab.c", "ab.d.e", "b"}},
              {"a**", {"a", "ab", "abc", "a.b", "ab.c", "ab.d.e"}, {"b", "ba"}},
              {"**.a", {"a", "b.a", "cb.a", "d.e.a", ".a"}, {"ba", "c.ba", "a.b"}},
              {"**a", {"a", "ba", "c.ba", "b.a", "cb.a", "d.e.a"}, {"ab", ""}},
              {"a.**.c", {"a.c", "a.b.c", "a.b.b.c"}, {"a", "ac", "ab.c", "a.bc"}},
              {"**", {"", "a", "a.b", "a.b.c", "."}, {}},
              {"a.**.**", {"a.", "a.b"}, {"b", "a"}},
              {"x**.a", {"x.a", "xy.a", "x.y.a"}, {"xa", "a"}}});
}

TEST(TagPattern, BracesOfferAlternatives) {
  expect_all({{"a.{b,c}", {"a.b", "a.c"}, {"a.d", "a.", "a.bc"}},
              {"a.{b,c}.**", {"a.b", "a.c", "a.b.x.y"}, {"a.d", "a.cd"}},
              {"a.{b.**,c}", {"a.b", "a.b.c", "a.c"}, {"a.c.d"}},
              {"{a,{b,c}d,e*}", {"a", "bd", "cd", "e", "exx"}, {"b", "d", "ad", "e.x"}},
              {"{,a}b", {"b", "ab"}, {"a", "aab"}},
              {"{}", {""}, {"a"}},
              {"{**.a,b}", {"a", "x.a", "b"}, {"xa", "x.b"}},
              {"x{**.a,b}", {"x.a", "xb", "xy.a"}, {"xa", "a"}},
              {"{a.,b}c", {"a.c", "bc"}, {"ac"}},
              {"a,b}", {"a,b}"}, {"a"}}});
}

TEST(TagPattern, BackslashTakesTheNextByteAsItIs) {
  expect_all({{"a\\*", {"a*"}, {"ab", "a"}},
              {"a.\\**", {"a.*", "a.*x"}, {"a.x"}},
              {"\\{a\\,b\\}", {"{a,b}"}, {"a"}},
              {"a\\\\", {"a\\"}, {"a"}},
              {"{a\\,b,c}", {"a,b", "c"}, {"a", "b"}}});
}

// As in Fluentd: the dot at the end of a pattern is never written into its expression.
TEST(TagPattern, ADotAtTheEndIsNone) { expect_all({{"a.", {"a"}, {"a.", "a.b"}}}); }

TEST(TagPattern, ANewlineAtTheEndOfATagIsNotSeen) {
  expect_all({{"a", {"a\n"}, {"a\n\n", "\na"}},
              {"*", {"\n", "a\n"}, {}},
              {"a.**", {"a.b\n", "a.b\nc", "a.\n"}, {"a\n"}}});
}

TEST(TagPattern, RefusesWhatItCannotMean) {
  EXPECT_EQ(error_of(""), "pattern \"\": it is empty");
  EXPECT_EQ(error_of("/^a/"),
            "pattern \"/^a/\": regular expressions (/.../) are not supported yet");
  EXPECT_EQ(error_of("a\\"), "pattern \"a\\\": a backslash at its end");
  EXPECT_EQ(error_of("a.{b,c"),
            "pattern \"a.{b,c\": a { without its } (blanks inside braces split a pattern)");
  EXPECT_NE(error_of(std::string(1025, 'a')), "");
}

TEST(TagPattern, TakesPatternsOfTheGreatestSize) {
  EXPECT_TRUE(matches(std::string(1024, 'a'), std::string(1024, 'a')));
  EXPECT_TRUE(matches(std::string(512, '{') + std::string(512, '}'), ""));
  std::string many = "{" + std::string(1022, ',') + "}";
  EXPECT_TRUE(matches(many, ""));
  std::string parts;
  while (parts.size() + 4 <= 1024) parts += ".**.";
  EXPECT_FALSE(matches(parts, "a"));
}

// Backtracking would take longer than anyone waits.
TEST(TagPattern, HostileTagsDoNotBlowUp) {
  std::string stars;
  for (int i = 0; i < 20; ++i) stars += "a*";
  EXPECT_FALSE(matches(stars + "b", std::string(64 << 10, 'a')));
  std::string parts;
  for (int i = 0; i < 20; ++i) parts += "**.";
  std::string tag;
  while (tag.size() < (64 << 10)) tag += "a.";
  EXPECT_FALSE(matches(parts + "b", tag));
  EXPECT_TRUE(matches(parts + "b", tag + "b"));
}

TEST(TagPattern, ListsAreSplitAtBlanks) {
  const Result<std::vector<TagPattern>> list = compile_patterns("  a.**\tb  c.{d,e}\n");
  ASSERT_TRUE(list);
  ASSERT_EQ(list->size(), 3U);
  EXPECT_TRUE((*list)[2].matches("c.e"));
  EXPECT_FALSE(compile_patterns("  "));
  EXPECT_FALSE(compile_patterns("a.{b, c}"));
}

// The expression that Fluentd builds for a pattern, for a backtracking engine on short tags. Braces
// become groups as they come; \A becomes ^.
std::string fluentd_expression(const std::string& pattern) {
  std::string out = "^(?:";
  bool dot = false;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern.substr(i, 2) == "**") {
      if (dot) out += "(?![^.])";
      dot = false;
      const bool whole_parts = pattern.substr(i, 3) == "**.";
      out += whole_parts ? "(?:.*\\.|^)" : ".*";
      i += whole_parts ? 3 : 2;
      continue;
    }
    if (dot) out += "\\.";
    const char c = pattern[i++];
    dot = c == '.';
    if (dot) continue;
    if (c == '*') {
      out += "[^.]*";
    } else if (c == '{') {
      out += "(?:";
    } else if (c == ',') {
      out += '|';
    } else if (c == '}') {
      out += ')';
    } else {
      out += c;
    }
  }
  return out + ")$";
}

std::string random_text(const std::string& letters, size_t size_max) {
  return *rc::gen::resize(static_cast<int>(size_max),
                          rc::gen::container<std::string>(rc::gen::elementOf(letters)));
}

RC_GTEST_PROP(TagPattern, AgreesWithTheExpressionOfFluentd, ()) {
  std::string pattern = random_text("ab..***{,", 12);
  RC_PRE(!pattern.empty());
  // Commas outside braces are letters of their own; here they would be alternatives.
  size_t open = 0;
  std::string balanced;
  for (const char c : pattern) {
    if (c == ',' && open == 0) continue;
    if (c == '{') ++open;
    balanced += c;
    if (open > 0 && *rc::gen::inRange(0, 4) == 0) {
      balanced += '}';
      --open;
    }
  }
  balanced += std::string(open, '}');
  RC_PRE(!balanced.empty());
  const Result<TagPattern> compiled = TagPattern::compile(balanced);
  RC_ASSERT(compiled.has_value());
  const std::regex expression(fluentd_expression(balanced), std::regex::ECMAScript);
  for (int i = 0; i < 10; ++i) {
    const std::string tag = random_text("aab.", 10);
    RC_LOG() << balanced << " on " << tag << std::endl;
    RC_ASSERT(compiled->matches(tag) == std::regex_match(tag, expression));
  }
}

RC_GTEST_PROP(TagPattern, AnyBytesAreRefusedOrCompiled, (std::string pattern, std::string tag)) {
  const Result<TagPattern> compiled = TagPattern::compile(pattern);
  if (compiled) compiled->matches(tag);
  RC_ASSERT(compiled || !compiled.error().message.empty());
}

}  // namespace
}  // namespace millrace::route
