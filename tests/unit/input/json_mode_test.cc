// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_mode.h"

#include <gtest/gtest.h>

namespace millrace::input {
namespace {

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

TEST(JsonFirstString, IsToldOnceItHasArrived) {
  const std::string literal = R"("near\/\"app\\")";
  const std::string value = "[ " + literal + " ,17,{}]";
  for (size_t size = 0; size <= value.size(); ++size) {
    const auto told = json_first_string(std::string_view(value).substr(0, size));
    EXPECT_EQ(told.has_value(), size >= 2 + literal.size()) << size;
    EXPECT_EQ(told.value_or(literal), literal);
  }
  for (const std::string other : {R"({"a":"b"})", R"([17,"t"])", "[", "\"a\""}) {
    EXPECT_FALSE(json_first_string(other)) << other;
  }
  const std::string large = "[\"" + std::string((64 << 10) - 3, 't') + '"';
  EXPECT_TRUE(json_first_string(large));
  EXPECT_FALSE(json_first_string("[ " + large.substr(1)));
}

}  // namespace
}  // namespace millrace::input
