// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_mode.h"

#include <gtest/gtest.h>

#include "base/msgpack_token.h"
#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;
using Status = JsonSplitter::Status;

constexpr uint64_t kLimit = 64 << 20;

TEST(JsonSplitter, FindsTheEndHoweverItArrives) {
  const std::string value = R"(["t\\\"]",17,{"m":"[{\"","n":[1,{"x":null}]}])";
  const std::string all = value + R"(["next)";
  JsonSplitter whole(kLimit);
  ASSERT_EQ(whole.scan(all), Status::kValue);
  EXPECT_EQ(whole.size(), value.size());
  JsonSplitter pieces(kLimit);
  for (size_t size = 1; size < value.size(); ++size) {
    ASSERT_EQ(pieces.scan(std::string_view(all).substr(0, size)), Status::kNeedMore) << size;
  }
  ASSERT_EQ(pieces.scan(all), Status::kValue);
  EXPECT_EQ(pieces.scan(all), Status::kValue);
  EXPECT_EQ(pieces.size(), value.size());
}

TEST(JsonSplitter, BlanksAndNull) {
  JsonSplitter splitter(kLimit);
  ASSERT_EQ(splitter.scan(" \r\n\t[1]"), Status::kBlank);
  EXPECT_EQ(splitter.size(), 4u);
  splitter.reset();
  ASSERT_EQ(splitter.scan("n"), Status::kNeedMore);
  ASSERT_EQ(splitter.scan("null[1]"), Status::kNull);
  EXPECT_EQ(splitter.size(), 4u);
  splitter.reset();
  EXPECT_EQ(splitter.scan("nil"), Status::kMalformed);
}

TEST(JsonSplitter, OtherTopLevelBytes) {
  for (const std::string bad : {"12", "-1", "\"text\"", "true", "false"}) {
    EXPECT_EQ(JsonSplitter(kLimit).scan(bad), Status::kNotMessage) << bad;
  }
  for (const std::string bad : {",", "]", "}", ":", "x", "\x01", "/"}) {
    EXPECT_EQ(JsonSplitter(kLimit).scan(bad), Status::kMalformed) << bad;
  }
}

TEST(JsonSplitter, BoundsSizeAndDepth) {
  EXPECT_EQ(JsonSplitter(8).scan("[1,2,34]"), Status::kValue);
  EXPECT_EQ(JsonSplitter(7).scan("[1,2,34]"), Status::kTooLarge);
  EXPECT_EQ(JsonSplitter(7).scan("[1,2,34"), Status::kTooLarge);
  EXPECT_EQ(JsonSplitter(8).scan("[1,2,34"), Status::kNeedMore);
  EXPECT_EQ(JsonSplitter(kLimit).scan(std::string(512, '[')), Status::kNeedMore);
  EXPECT_EQ(JsonSplitter(kLimit).scan(std::string(513, '[')), Status::kMalformed);
  EXPECT_EQ(JsonSplitter(kLimit).scan(std::string(100'000, '[')), Status::kMalformed);
}

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
  EXPECT_EQ(rewritten("[1.5,18446744073709551616]"),
            hex("dd 00 00 00 02 cb 3f f8 00 00 00 00 00 00 cb 43 f0 00 00 00 00 00 00"));
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

TEST(JsonRewriter, InvalidUtf8IsReplaced) {
  EXPECT_EQ(rewritten("[\"a\xff\"]"), hex("dd 00 00 00 01 a4 61 ef bf bd"));
}

TEST(JsonRewriter, SyntaxErrors) {
  JsonRewriter rewriter;
  for (const std::string bad : {"[1,]", "[\"t\",1,{m}]", "[}", "[1 2]", "[01]", "[\"\x01\"]",
                                "[nul]", "[1e400]", "[\"\\x\"]", "[1]]"}) {
    EXPECT_FALSE(rewriter.rewrite(bad)) << bad;
  }
  EXPECT_TRUE(rewriter.rewrite("[1]"));
}

TEST(JsonRewriter, DuplicateKeysAreKept) {
  EXPECT_EQ(rewritten(R"({"a":null,"a":true})"), hex("df 00 00 00 02 a1 61 c0 a1 61 c3"));
}

}  // namespace
}  // namespace millrace::input
