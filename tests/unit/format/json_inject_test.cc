// SPDX-License-Identifier: Apache-2.0
// The pairs that the formatter adds, and the room it says it needs.
#include <gtest/gtest.h>

#include <string>

#include "format/json_formatter.h"
#include "tests/unit/format/formatted.h"
#include "tests/unit/format/pack.h"

namespace millrace::format {
namespace {

constexpr char kTime[] = "\"time\":\"2011-01-02T13:14:15Z\"";

std::string record_of(const std::vector<std::string>& keys) {
  std::string record = pack::map(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) record += pack::str(keys[i]) + pack::uint(i);
  return record;
}

class JsonInject : public ::testing::Test {
 protected:
  JsonInject() { formatter_.set_tag("test"); }
  std::string format(const std::string& record) { return formatted(formatter_, record); }

  JsonFormatter formatter_{config::Format()};
};

TEST_F(JsonInject, AppendsTimeThenTag) {
  EXPECT_EQ(format(record_of({"a"})), "{\"a\":0," + std::string(kTime) + ",\"tag\":\"test\"}");
  EXPECT_EQ(format(record_of({})), "{" + std::string(kTime) + ",\"tag\":\"test\"}");
}

TEST_F(JsonInject, WritesTheFractionOfTheSecond) {
  EXPECT_EQ(formatted(formatter_, record_of({}), {1293974055, 123456789}),
            "{\"time\":\"2011-01-02T13:14:15.123456789Z\",\"tag\":\"test\"}");
}

TEST_F(JsonInject, ReplacesEqualKeysInPlace) {
  const std::string time = kTime;
  EXPECT_EQ(format(record_of({"a", "time", "b"})),
            "{\"a\":0," + time + ",\"b\":2,\"tag\":\"test\"}");
  EXPECT_EQ(format(record_of({"tag", "a"})), "{\"tag\":\"test\",\"a\":1," + time + "}");
  EXPECT_EQ(format(record_of({"tag", "time"})), "{\"tag\":\"test\"," + time + "}");
  EXPECT_EQ(format(record_of({"time", "a", "time", "tag", "tag"})),
            "{" + time + ",\"a\":1,\"tag\":\"test\"}");
}

TEST_F(JsonInject, ReplacesEqualKeysInPlaceOnTheCarefulWay) {
  const std::string time = kTime;
  EXPECT_EQ(format(record_of({"a", "time", "a", "tag"})),
            "{\"a\":2," + time + ",\"tag\":\"test\"}");
  EXPECT_EQ(format(pack::fixmap(2) + pack::bin("time") + pack::nil() + pack::uint(1) + pack::nil()),
            "{" + time + ",\"1\":null,\"tag\":\"test\"}");
}

TEST_F(JsonInject, LeavesEqualKeysOfInnerMapsAlone) {
  EXPECT_EQ(format(pack::fixmap(1) + pack::str("a") + record_of({"time", "tag"})),
            "{\"a\":{\"time\":0,\"tag\":1}," + std::string(kTime) + ",\"tag\":\"test\"}");
}

TEST_F(JsonInject, EscapesAndRepairsTheTag) {
  formatter_.set_tag("a\"\xff");
  EXPECT_EQ(format(record_of({})), "{" + std::string(kTime) + ",\"tag\":\"a\\\"\xef\xbf\xbd\"}");
  EXPECT_EQ(formatter_.take_counts().invalid_utf8, 1U);
  formatter_.set_tag("test");
  EXPECT_EQ(format(record_of({})), "{" + std::string(kTime) + ",\"tag\":\"test\"}");
  EXPECT_EQ(formatter_.take_counts().invalid_utf8, 0U);
}

TEST_F(JsonInject, TakesOtherNames) {
  config::Format options;
  options.time_key = "@timestamp";
  options.tag_key = "a name of more than sixteen bytes with \"quotes\"";
  JsonFormatter formatter(options);
  formatter.set_tag("t");
  const std::string tag = "\"a name of more than sixteen bytes with \\\"quotes\\\"\":\"t\"";
  EXPECT_EQ(formatted(formatter, record_of({"time"})),
            "{\"time\":0,\"@timestamp\":\"2011-01-02T13:14:15Z\"," + tag + "}");
  EXPECT_EQ(formatted(formatter, record_of({options.tag_key, "@timestamp", "x"})),
            "{" + tag + ",\"@timestamp\":\"2011-01-02T13:14:15Z\",\"x\":2}");
}

TEST_F(JsonInject, LeavesOutWhatHasNoName) {
  config::Format options;
  options.time_key = "";
  JsonFormatter without_time(options);
  without_time.set_tag("t");
  EXPECT_EQ(formatted(without_time, record_of({"a"})), "{\"a\":0,\"tag\":\"t\"}");
  options.tag_key = "";
  JsonFormatter without_both(options);
  EXPECT_EQ(formatted(without_both, record_of({"time"})), "{\"time\":0}");
  options.time_key = options.tag_key = "x";
  JsonFormatter equal_names(options);
  equal_names.set_tag("t");
  EXPECT_EQ(formatted(equal_names, record_of({"a"})), "{\"a\":0,\"x\":\"t\"}");
}

TEST_F(JsonInject, SaysNoSpaceExactlyWhenItDoesNotFit) {
  const std::vector<std::string> records = {
      record_of({}),
      record_of({"a"}),
      record_of({"time", "b"}),
      record_of({"a", "a", "tag"}),
      pack::fixmap(2) + pack::str("text") + pack::str("quotes \" and \xff and é") +
          pack::str("more") + pack::fixarray(2) + pack::float64(0.25) + pack::int64(-70000),
      pack::fixmap(1) + pack::fixarray(1) + pack::str("\"") + pack::fixmap(0)};
  for (const std::string& record : records) {
    const std::string whole = format(record);
    formatter_.take_counts();
    for (size_t room = 0; room < whole.size(); ++room) {
      EXPECT_EQ(formatted(formatter_, record, kTestTime, room), "no space") << room;
    }
    EXPECT_EQ(formatter_.take_counts().invalid_utf8, 0U) << "counted without being written";
    for (size_t room = whole.size(); room < whole.size() + 600; ++room) {
      EXPECT_EQ(formatted(formatter_, record, kTestTime, room), whole) << room;
    }
  }
}

}  // namespace
}  // namespace millrace::format
