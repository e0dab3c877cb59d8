// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_rewriter.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "base/endian.h"
#include "base/msgpack_token.h"
#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;

std::string rewritten(std::string_view json) {
  JsonRewriter rewriter;
  EXPECT_TRUE(rewriter.rewrite(json)) << json;
  return std::string(rewriter.output());
}

TEST(JsonRewriter, WritesEveryKindOfValue) {
  EXPECT_EQ(rewritten(R"([null,true,false,"ab",{"k":[]}])"),
            hex("dd 00 00 00 05 c0 c3 c2 a2 61 62 df 00 00 00 01 a1 6b dd 00 00 00 00"));
  EXPECT_EQ(rewritten("[1700000000,-5]"),
            hex("dd 00 00 00 02 cf 00 00 00 00 65 53 f1 00 d3 ff ff ff ff ff ff ff fb"));
  EXPECT_EQ(rewritten("[18446744073709551615,-9223372036854775808]"),
            hex("dd 00 00 00 02 cf ff ff ff ff ff ff ff ff d3 80 00 00 00 00 00 00 00"));
  EXPECT_EQ(rewritten("[1.5]"), hex("dd 00 00 00 01 cb 3f f8 00 00 00 00 00 00"));
  const std::string text(40, 'x');
  EXPECT_EQ(rewritten("[\"" + text + "\"]"), hex("dd 00 00 00 01 db 00 00 00 28") + text);
}

TEST(JsonRewriter, CountsWhatIsNested) {
  const std::string out = rewritten(R"([[1,[2,3],{"a":[4],"b":{}},"x"],5])");
  const char* p = out.data();
  ASSERT_EQ(msgpack_token::skip(p, out.data() + out.size()), msgpack_token::Status::kOk);
  EXPECT_EQ(p, out.data() + out.size());
  EXPECT_EQ(out.substr(0, 10), hex("dd 00 00 00 02 dd 00 00 00 04"));
}

TEST(JsonRewriter, Escapes) {
  EXPECT_EQ(rewritten(R"(["\u00e9\ud83d\ude00\n\u0000"])"),
            hex("dd 00 00 00 01 a8 c3 a9 f0 9f 98 80 0a 00"));
}

TEST(JsonRewriter, WhatIsNoTextIsReplacedAndCounted) {
  JsonRewriter rewriter;
  const auto text = [&](const std::string& json) {
    EXPECT_TRUE(rewriter.rewrite("[\"" + json + "\"]")) << json;
    return std::string(rewriter.output().substr(6));  // array 32 of one, fixstr
  };
  const std::string mark = "\xef\xbf\xbd";
  EXPECT_EQ(text("a\xff"), "a" + mark);
  EXPECT_EQ(rewriter.replaced_texts(), 1u);
  EXPECT_EQ(text("\\ud800"), mark);
  EXPECT_EQ(text("\\udc00b\\ud800"), mark + "b" + mark);
  EXPECT_EQ(rewriter.replaced_texts(), 1u);
  EXPECT_EQ(text("\\ud83d\\ud83d\\ude00"), mark + "\xf0\x9f\x98\x80");
  EXPECT_EQ(text("\\ud800\\n\\ud800\\u0041"), mark + "\n" + mark + "A");
  EXPECT_EQ(text("\\udbff\\udfff"), "\xf4\x8f\xbf\xbf");
  EXPECT_EQ(rewriter.replaced_texts(), 0u);
  EXPECT_TRUE(rewriter.rewrite("{\"\xff\":[\"\\udfff\",\"good\"]}"));
  EXPECT_EQ(rewriter.replaced_texts(), 2u);
}

// One ext of kExtDecimal with these digits.
std::string decimal(const std::string& digits) {
  return hex("dd 00 00 00 01 c9 00 00 00") + static_cast<char>(digits.size()) + "\x64" + digits;
}

TEST(JsonRewriter, IntegersKeepAllTheirDigits) {
  for (const std::string digits :
       {"18446744073709551616", "-9223372036854775809", "123456789012345678901234567890"}) {
    EXPECT_EQ(rewritten("[" + digits + "]"), decimal(digits));
  }
  EXPECT_EQ(rewritten("[-0,0]"), hex("dd 00 00 00 02 d3 00 00 00 00 00 00 00 00 cf 00 00 00 00 00 "
                                     "00 00 00"));
}

TEST(JsonRewriter, FloatsBeyondTheirRange) {
  const auto number = [](const std::string& json) {
    const std::string packed = rewritten("[" + json + "]");
    return std::bit_cast<double>(load_be<uint64_t>(packed.data() + 6));
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string nines(400, '9');
  for (const std::string huge : {"1e999", "1E+400", "0.001e999999999999999999999", "1e309"}) {
    EXPECT_EQ(number(huge), kInfinity) << huge;
    EXPECT_EQ(number("-" + huge), -kInfinity) << huge;
  }
  EXPECT_EQ(number(nines + ".5"), kInfinity);
  EXPECT_EQ(number("0." + std::string(400, '0') + "1e999"), kInfinity);
  for (const std::string tiny : {"1e-999", "9e-9999999999999999999", "0e999", "0.0e999999"}) {
    EXPECT_EQ(number(tiny), 0.0) << tiny;
  }
  EXPECT_EQ(number("5e-324"), 5e-324);
  EXPECT_EQ(number("2.2250738585072011e-308"), 2.2250738585072011e-308);
  EXPECT_EQ(number("1.7976931348623157e308"), 1.7976931348623157e308);
  EXPECT_EQ(number("0." + std::string(400, '0') + "1e400"), 0.1);
}

TEST(JsonRewriter, SyntaxErrors) {
  JsonRewriter rewriter;
  for (const std::string bad : {"[1,]",
                                "[\"t\",1,{m}]",
                                "[}",
                                "[1 2]",
                                "[01]",
                                "[\"\x01\"]",
                                "[nul]",
                                "[\"\\x\"]",
                                "[1]]",
                                "[1.]",
                                "[.5]",
                                "[-]",
                                "[1e]",
                                "[+1]",
                                "{\"a\"}",
                                "{\"a\":}",
                                "{\"a\":1,}",
                                "{1:2}",
                                "[\"\\ud80\"]",
                                "[\"\\u12g4\"]",
                                "[\"a]",
                                "[\"\\\"]",
                                "[tru]",
                                "[true1]",
                                "[",
                                ""}) {
    EXPECT_FALSE(rewriter.rewrite(bad)) << bad;
  }
  EXPECT_TRUE(rewriter.rewrite(" [1] "));
  EXPECT_TRUE(rewriter.rewrite(std::string(512, '[') + std::string(512, ']')));
  EXPECT_FALSE(rewriter.rewrite(std::string(513, '[') + std::string(513, ']')));
}

TEST(JsonRewriter, DuplicateKeysAreKept) {
  EXPECT_EQ(rewritten(R"({"a":null,"a":true})"), hex("df 00 00 00 02 a1 61 c0 a1 61 c3"));
}

}  // namespace
}  // namespace millrace::input
