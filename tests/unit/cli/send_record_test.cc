// SPDX-License-Identifier: Apache-2.0
#include "cli/send_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <msgpack.hpp>
#include <sstream>

namespace millrace::cli {
namespace {

std::string record(std::string_view line) {
  std::string bytes = "before";
  const Result<> appended = append_record(line, bytes);
  EXPECT_EQ(bytes.substr(0, 6), "before");
  if (!appended) {
    EXPECT_EQ(bytes.size(), 6U);
    return "error: " + appended.error().message;
  }
  const auto handle = msgpack::unpack(bytes.data() + 6, bytes.size() - 6);
  std::ostringstream text;
  text << handle.get();
  return text.str();
}

std::string time_text(std::string_view text) {
  const Result<EventTime> time = parse_event_time(text);
  if (!time) return "error: " + time.error().message;
  return std::to_string(time->seconds) + "." + std::to_string(time->nanoseconds);
}

TEST(SendRecord, KeepsWhatTheLineHolds) {
  EXPECT_EQ(record("{}"), "{}");
  EXPECT_EQ(record(R"( {"b":[1,-2,3.5,null,true,false,{}],"a":{"x":"y"},"b":[]} )"),
            R"({"b":[1,-2,3.5,null,true,false,{}],"a":{"x":"y"},"b":[]})");
  EXPECT_EQ(record(R"({"a":18446744073709551615,"b":-9223372036854775808})"),
            R"({"a":18446744073709551615,"b":-9223372036854775808})");
  EXPECT_EQ(record("{\"\xc3\xa9\":\"\\u00e9\\n\"}"), "{\"\xc3\xa9\":\"\xc3\xa9\\n\"}");
}

TEST(SendRecord, RefusesWhatIsNoObject) {
  for (const char* line : {"", "[]", "5", "null", "true", "\"x\"", "1.5"}) {
    EXPECT_THAT(record(line), testing::StartsWith("error: not ")) << line;
  }
  EXPECT_THAT(record("{\"a\":}"), testing::StartsWith("error: not JSON: column 6: "));
  EXPECT_EQ(record(std::string("{\"a\":1}\0{\"b\":2}", 15)),
            "error: not JSON: column 8: a NUL byte");
  EXPECT_EQ(record(R"({"a":18446744073709551616})"),
            "error: an integer beyond 64 bits: 18446744073709551616");
  std::string deep;
  for (int i = 0; i < 101; ++i) deep += "{\"a\":";
  EXPECT_EQ(record(deep), "error: nested deeper than 100 levels");
}

TEST(SendRecord, BoundsDepthExactly) {
  std::string fine = "{\"a\":" + std::string(99, '[') + std::string(99, ']') + "}";
  EXPECT_THAT(record(fine), testing::StartsWith("{\"a\":[[["));
}

TEST(SendTime, TakesSecondsAndRfc3339) {
  EXPECT_EQ(time_text("0"), "0.0");
  EXPECT_EQ(time_text("1700000000"), "1700000000.0");
  EXPECT_EQ(time_text("1700000000.5"), "1700000000.500000000");
  EXPECT_EQ(time_text("1700000000.000000001"), "1700000000.1");
  EXPECT_EQ(time_text("2023-11-14T22:13:20Z"), "1700000000.0");
  EXPECT_EQ(time_text("2023-11-14t23:13:20.25+01:00"), "1700000000.250000000");
  EXPECT_EQ(time_text("2023-11-14 20:43:20-01:30"), "1700000000.0");
  EXPECT_EQ(time_text("2024-02-29T00:00:00Z"), "1709164800.0");
  EXPECT_EQ(time_text("2016-12-31T23:59:60Z"), "1483228800.0");
}

TEST(SendTime, RefusesOtherTexts) {
  for (const char* text :
       {"", "now", "-1", "1.", ".5", "1.0000000001", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z",
        "2023-00-10T00:00:00Z", "2023-01-01T24:00:00Z", "2023-01-01T00:00:00", "2023-01-01",
        "2023-01-01T00:00:00Zx", "2023-01-01T00:00:00+25:00", "1969-12-31T23:59:59Z",
        "2107-01-01T00:00:00Z", "4294967296", "99999999999999999999"}) {
    EXPECT_THAT(time_text(text), testing::StartsWith("error: ")) << text;
  }
}

}  // namespace
}  // namespace millrace::cli
