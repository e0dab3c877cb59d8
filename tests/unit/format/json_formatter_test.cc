// SPDX-License-Identifier: Apache-2.0
#include "format/json_formatter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/format/formatted.h"
#include "tests/unit/format/pack.h"

namespace millrace::format {
namespace {

// {"v": value}
std::string with_value(const std::string& value) {
  return pack::fixmap(1) + pack::str("v") + value;
}
// {key: 1}
std::string with_key(const std::string& key) { return pack::fixmap(1) + key + pack::uint(1); }

std::string nested(size_t levels, const std::string& head, const std::string& inner) {
  std::string out;
  for (size_t i = 0; i < levels; ++i) out += head;
  return out + inner;
}

TEST(JsonFormatter, WritesEveryKindOfValue) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {pack::nil(), "null"},
      {pack::boolean(true), "true"},
      {pack::boolean(false), "false"},
      {pack::uint(0), "0"},
      {pack::uint(127), "127"},
      {pack::uint(200), "200"},
      {pack::uint(65535), "65535"},
      {pack::uint(4294967295), "4294967295"},
      {pack::uint(std::numeric_limits<uint64_t>::max()), "18446744073709551615"},
      {pack::int64(-1), "-1"},
      {pack::int64(5), "5"},
      {pack::int64(std::numeric_limits<int64_t>::min()), "-9223372036854775808"},
      {"\xff", "-1"},
      {std::string("\xd0\x80", 2), "-128"},
      {pack::float64(0.5), "0.5"},
      {pack::float32(0.1F), "0.10000000149011612"},
      {pack::float64(1e20), "1.0e+20"},
      {pack::str(""), "\"\""},
      {pack::str("a\"\n"), "\"a\\\"\\n\""},
      {pack::str8("short in a long form"), "\"short in a long form\""},
      {pack::str16("x"), "\"x\""},
      {pack::str32("x"), "\"x\""},
      {pack::bin("bytes"), "\"bytes\""},
      {pack::fixarray(0), "[]"},
      {pack::array(2) + pack::uint(1) + pack::fixmap(0), "[1,{}]"},
      {pack::map(1) + pack::str("a") + pack::fixarray(1) + pack::nil(), "{\"a\":[null]}"},
      {std::string("\xdc\x00\x01", 3) + pack::nil(), "[null]"},
      {std::string("\xde\x00\x01", 3) + pack::str("k") + pack::nil(), "{\"k\":null}"},
  };
  for (const auto& [packed, text] : cases) {
    EXPECT_EQ(plain(with_value(packed)), "{\"v\":" + text + "}");
  }
}

TEST(JsonFormatter, KeepsLongStringsWhole) {
  for (const size_t size : std::vector<size_t>{31, 32, 255, 256, 65535, 65536, 200000}) {
    const std::string text(size, 'x');
    EXPECT_EQ(plain(with_value(pack::str(text))), "{\"v\":\"" + text + "\"}");
    EXPECT_EQ(plain(with_key(pack::str(text))), "{\"" + text + "\":1}");
  }
}

TEST(JsonFormatter, WritesExtensions) {
  const std::string event_time = pack::big_endian(1700000000, 4) + pack::big_endian(5, 4);
  EXPECT_EQ(plain(with_value(pack::ext(0, event_time))), "{\"v\":1700000000}");
  EXPECT_EQ(plain(with_value(pack::fixext(0, event_time))), "{\"v\":1700000000}");
  EXPECT_EQ(plain(with_value(pack::fixext(-1, pack::big_endian(1700000000, 4)))),
            "{\"v\":\"2023-11-14T22:13:20Z\"}");
  const uint64_t with_fraction = uint64_t{123456789} << 34 | 1700000000;
  EXPECT_EQ(plain(with_value(pack::fixext(-1, pack::big_endian(with_fraction, 8)))),
            "{\"v\":\"2023-11-14T22:13:20.123456789Z\"}");
  EXPECT_EQ(
      plain(with_value(pack::ext(-1, pack::big_endian(7, 4) + pack::big_endian(~uint64_t{0}, 8)))),
      "{\"v\":\"1969-12-31T23:59:59.000000007Z\"}");
}

TEST(JsonFormatter, CountsExtensionsWithoutAMeaning) {
  JsonFormatter formatter(plain_options());
  for (const std::string& ext :
       {pack::ext(0, "1234"), pack::ext(5, ""), pack::ext(-1, "12345"),
        pack::fixext(-1, pack::big_endian(uint64_t{1000000000} << 34, 8)), pack::fixext(1, "a")}) {
    EXPECT_EQ(formatted(formatter, with_value(ext)), "{\"v\":null}");
  }
  EXPECT_EQ(formatter.take_counts().ext, 5U);
  EXPECT_EQ(formatter.take_counts().ext, 0U);
}

TEST(JsonFormatter, WritesDecimalsOnlyWhenToldSo) {
  const std::string digits(100, '7');
  const std::string decimal = pack::ext(msgpack_token::kExtDecimal, digits);
  const std::string record = with_value(pack::fixarray(2) + decimal + pack::fixmap(1) +
                                        pack::str("n") + pack::ext(100, "-12345678901234567890"));
  const std::string json = "{\"v\":[" + digits + ",{\"n\":-12345678901234567890}]}";
  const std::string twice =
      pack::fixmap(2) + pack::str("v") + pack::nil() + pack::str("v") + decimal;
  JsonFormatter formatter(plain_options());
  formatter.take_decimals(true);
  EXPECT_EQ(formatted(formatter, record), json);
  EXPECT_EQ(formatted(formatter, record, kTestTime, json.size()), json);
  EXPECT_EQ(formatted(formatter, record, kTestTime, json.size() - 1), "no space");
  EXPECT_EQ(formatted(formatter, twice), "{\"v\":" + digits + "}");
  const std::string long_digits(1'000'000, '9');
  EXPECT_EQ(formatted(formatter, with_value(pack::with_size(0xc9, long_digits.size(), 4) + "\x64" +
                                            long_digits)),
            "{\"v\":" + long_digits + "}");
  EXPECT_EQ(formatter.take_counts().ext, 0U);

  formatter.take_decimals(false);
  EXPECT_EQ(formatted(formatter, record), "{\"v\":[null,{\"n\":null}]}");
  EXPECT_EQ(formatted(formatter, twice), "{\"v\":null}");
  EXPECT_EQ(formatter.take_counts().ext, 3U);
}

TEST(JsonFormatter, ReplacesWhatJsonCannotSayAndCountsIt) {
  JsonFormatter formatter(plain_options());
  EXPECT_EQ(formatted(formatter, with_value(pack::float64(std::nan("")))), "{\"v\":null}");
  EXPECT_EQ(formatted(formatter, with_value(pack::float32(-INFINITY))), "{\"v\":null}");
  EXPECT_EQ(formatted(formatter, with_value(pack::str("a\xff\xff"))),
            "{\"v\":\"a\xef\xbf\xbd\xef\xbf\xbd\"}");
  EXPECT_EQ(formatted(formatter, with_key(pack::str("\x80"))), "{\"\xef\xbf\xbd\":1}");
  const ReplacedCounts counts = formatter.take_counts();
  EXPECT_EQ(counts.not_finite, 2U);
  EXPECT_EQ(counts.invalid_utf8, 2U);
}

TEST(JsonFormatter, OjModeCopiesBytesAndNotFiniteNumbers) {
  config::Format options = plain_options();
  options.json_compat = config::JsonCompat::kOj;
  JsonFormatter formatter(options);
  EXPECT_EQ(formatted(formatter, with_value(pack::float64(std::nan("")))), "{\"v\":NaN}");
  EXPECT_EQ(formatted(formatter, with_value(pack::float64(INFINITY))), "{\"v\":Infinity}");
  EXPECT_EQ(formatted(formatter, with_value(pack::float64(-INFINITY))), "{\"v\":-Infinity}");
  EXPECT_EQ(formatted(formatter, with_value(pack::str("a\xff\n"))), "{\"v\":\"a\xff\\n\"}");
  EXPECT_EQ(formatted(formatter, with_key(pack::bin("\xe3"))), "{\"\xe3\":1}");
  const ReplacedCounts counts = formatter.take_counts();
  EXPECT_EQ(counts.not_finite + counts.invalid_utf8, 0U);
}

TEST(JsonFormatter, WritesOtherKeysAsRubysToS) {
  EXPECT_EQ(plain(with_key(pack::uint(1))), "{\"1\":1}");
  EXPECT_EQ(plain(with_key(pack::int64(-7))), "{\"-7\":1}");
  EXPECT_EQ(plain(with_key(pack::nil())), "{\"\":1}");
  EXPECT_EQ(plain(with_key(pack::boolean(true))), "{\"true\":1}");
  EXPECT_EQ(plain(with_key(pack::float64(1.5))), "{\"1.5\":1}");
  EXPECT_EQ(plain(with_key(pack::float64(1e16))), "{\"1.0e+16\":1}");
  EXPECT_EQ(plain(with_key(pack::float64(std::nan("")))), "{\"NaN\":1}");
  EXPECT_EQ(plain(with_key(pack::bin("b"))), "{\"b\":1}");
  EXPECT_EQ(plain(with_key(pack::fixext(0, pack::big_endian(7, 4) + pack::big_endian(0, 4)))),
            "{\"7\":1}");
  EXPECT_EQ(plain(with_key(pack::fixext(-1, pack::big_endian(0, 4)))),
            "{\"1970-01-01T00:00:00Z\":1}");
  EXPECT_EQ(plain(with_key(pack::ext(9, "x"))), "{\"\":1}");
  EXPECT_EQ(plain(with_key(pack::fixarray(2) + pack::uint(1) + pack::str("a"))),
            "{\"[1,\\\"a\\\"]\":1}");
  EXPECT_EQ(plain(with_key(pack::fixmap(1) + pack::fixarray(1) + pack::str("x") + pack::nil())),
            R"({"{\"[\\\"x\\\"]\":null}":1})");
}

TEST(JsonFormatter, EqualKeysKeepTheLastValueAtTheFirstPlace) {
  const std::string a = pack::str("a");
  const std::string b = pack::str("b");
  EXPECT_EQ(plain(pack::fixmap(3) + a + pack::uint(1) + b + pack::uint(2) + a + pack::uint(3)),
            "{\"a\":3,\"b\":2}");
  const std::string inner = pack::fixmap(2) + a + pack::uint(1) + a + pack::uint(2);
  EXPECT_EQ(plain(with_value(inner)), "{\"v\":{\"a\":2}}");
  EXPECT_EQ(plain(with_value(pack::fixarray(2) + inner + inner)), "{\"v\":[{\"a\":2},{\"a\":2}]}");
  // The value that counts is a container, and has equal keys itself.
  EXPECT_EQ(plain(pack::fixmap(2) + a + pack::uint(1) + a + inner), "{\"a\":{\"a\":2}}");
  // Same bytes as str8 and as bin; numbers by value; a number is not a string.
  EXPECT_EQ(plain(pack::fixmap(3) + a + pack::uint(1) + pack::str8("a") + pack::uint(2) +
                  pack::bin("a") + pack::uint(3)),
            "{\"a\":3}");
  EXPECT_EQ(plain(pack::fixmap(3) + pack::uint(1) + pack::uint(1) + pack::int64(1) + pack::uint(2) +
                  pack::str("1") + pack::uint(3)),
            "{\"1\":2,\"1\":3}");
  EXPECT_EQ(plain(pack::fixmap(2) + pack::float32(1.5F) + pack::uint(1) + pack::float64(1.5) +
                  pack::uint(2)),
            "{\"1.5\":2}");
}

TEST(JsonFormatter, SameKeyInDifferentMapsIsNotRepeated) {
  const std::string a = pack::str("a");
  const std::string inner = pack::fixmap(1) + a + pack::uint(1);
  const std::string record = pack::fixmap(2) + a + inner + pack::str("b") + inner;
  JsonFormatter formatter(plain_options());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(formatted(formatter, record), "{\"a\":{\"a\":1},\"b\":{\"a\":1}}");
  }
}

TEST(JsonFormatter, DroppedValuesAreNotCounted) {
  JsonFormatter formatter(plain_options());
  const std::string record =
      pack::fixmap(2) + pack::str("a") + pack::str("\xff") + pack::str("a") + pack::uint(1);
  EXPECT_EQ(formatted(formatter, record), "{\"a\":1}");
  EXPECT_EQ(formatter.take_counts().invalid_utf8, 0U);
}

TEST(JsonFormatter, MapsOfManyKeysFindTheirEqualOnes) {
  for (const size_t count : std::vector<size_t>{10, 33, 200, 1000, 1023, 1024, 1025, 5000}) {
    std::string record = pack::map(count + 1);
    std::string expected = "{\"k0\":\"last\"";
    for (size_t i = 0; i < count; ++i) {
      const std::string name = "k" + std::to_string(i);
      record += pack::str(name) + pack::uint(i);
      if (i > 0) expected += ",\"" + name + "\":" + std::to_string(i);
    }
    record += pack::str("k0") + pack::str("last");
    EXPECT_EQ(plain(record), expected + "}") << count;
  }
}

TEST(JsonFormatter, NestsToItsLimit) {
  const std::string array = pack::fixarray(1);
  const std::string map = pack::fixmap(1) + pack::str("a");
  const std::string brackets(127, ']');
  EXPECT_EQ(plain(with_value(nested(127, array, pack::nil()))),
            "{\"v\":" + std::string(127, '[') + "null" + brackets + "}");
  EXPECT_EQ(plain(with_value(nested(128, array, pack::nil()))), "too deep");
  EXPECT_EQ(plain(nested(127, map, pack::fixmap(0))).size(), 127U * 6 + 2);
  EXPECT_EQ(plain(nested(128, map, pack::fixmap(0))), "too deep");
  EXPECT_EQ(plain(nested(100000, map, pack::fixmap(0))), "too deep");
  // A record with equal keys takes the other way.
  const std::string twice = pack::fixmap(2) + pack::str("a") + pack::nil() + pack::str("a");
  EXPECT_EQ(plain(twice + nested(127, array, pack::nil())),
            "{\"a\":" + std::string(127, '[') + "null" + brackets + "}");
  EXPECT_EQ(plain(twice + nested(128, array, pack::nil())), "too deep");
  EXPECT_EQ(plain(with_key(nested(128, array, pack::nil()))), "too deep");
}

// Keys that are containers inside each other: their text doubles with each level.
TEST(JsonFormatter, ContainersAsKeysAreBounded) {
  std::string key = pack::str("a");
  std::string text = "\"a\"";
  for (int level = 0; level < 4; ++level) {
    key = pack::fixmap(1) + key + pack::uint(1);
    std::string quoted = "\"";
    for (const char c : "{" + text + ":1}") {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    text = quoted + "\"";
  }
  EXPECT_EQ(plain(with_key(key)), "{" + text + ":1}");
  key = pack::fixmap(1) + key + pack::uint(1);
  EXPECT_EQ(plain(with_key(key)), "too deep");
  for (int level = 0; level < 25; ++level) key = pack::fixmap(1) + key + pack::uint(1);
  EXPECT_EQ(plain(with_key(key)), "too deep");
  // As a value it counts from there.
  EXPECT_EQ(plain(with_value(pack::fixmap(1) + pack::fixmap(1) + pack::str("a") + pack::uint(1) +
                             pack::uint(2))),
            R"({"v":{"{\"a\":1}":2}})");
}

TEST(JsonFormatter, TellsWhereARefusedRecordEnds) {
  JsonFormatter formatter(plain_options());
  char room[4096];
  for (const std::string& value :
       {pack::nil(), pack::fixarray(2) + pack::nil() + pack::str("x"), pack::str("a string"),
        nested(200, pack::fixmap(1) + pack::str("a"), pack::nil())}) {
    const std::string input = value + "\xc1";
    const FormatResult result = formatter.format(input.data(), input.data() + input.size(),
                                                 kTestTime, room, room + sizeof room);
    EXPECT_TRUE(result.status == FormatStatus::kNotMap || result.status == FormatStatus::kTooDeep);
    EXPECT_EQ(result.record_end, input.data() + value.size());
  }
}

TEST(JsonFormatter, TellsTruncatedFromMalformed) {
  const std::string record = pack::fixmap(3) + pack::str("a") + pack::str8("text") +
                             pack::str("b") + pack::float64(1.5) + pack::str("c") +
                             pack::fixarray(1) + pack::map(0);
  for (size_t size = 0; size < record.size(); ++size) {
    EXPECT_EQ(plain(record.substr(0, size)), "truncated") << size;
  }
  EXPECT_EQ(plain(record), R"({"a":"text","b":1.5,"c":[{}]})");
  EXPECT_EQ(plain(pack::fixmap(1) + pack::str("a") + "\xc1"), "malformed");
  EXPECT_EQ(plain(pack::fixmap(1) + "\xc1" + pack::nil()), "malformed");
  EXPECT_EQ(plain("\xc1"), "malformed");
  EXPECT_EQ(plain(pack::map(0xffffffff)), "truncated");
  EXPECT_EQ(plain(pack::fixmap(1) + pack::str("a") + pack::array(0xffffffff)), "truncated");
}

TEST(JsonFormatter, AppendsANewline) {
  config::Format options = plain_options();
  options.append_newline = true;
  JsonFormatter formatter(options);
  EXPECT_EQ(formatted(formatter, with_key(pack::str("a"))), "{\"a\":1}\n");
  EXPECT_EQ(formatted(formatter, pack::fixmap(0), kTestTime, 3), "{}\n");
  for (size_t room = 0; room < 3; ++room) {
    EXPECT_EQ(formatted(formatter, pack::fixmap(0), kTestTime, room), "no space");
  }
}

// Colliding or not, equal keys in large deep records may cost only so much.
TEST(JsonFormatter, BoundsTheWorkForEqualKeys) {
  const std::string twice = pack::fixmap(2) + pack::str("a") + pack::nil() + pack::str("a");
  const std::string large = pack::bin(std::string(4 << 20, 'x'));
  JsonFormatter formatter(plain_options());
  EXPECT_EQ(formatted(formatter, nested(100, twice, large), kTestTime, 32 << 20), "too costly");
  const std::string fine = pack::bin(std::string(1 << 10, 'x'));
  EXPECT_EQ(formatted(formatter, nested(100, twice, fine)).size(), 100U * 6 + 1026);
}

TEST(JsonFormatter, ManyDistinctKeysWithoutRoomTakeNoMemory) {
  std::string record = pack::map(300000);
  for (size_t i = 0; i < 300000; ++i) record += pack::uint(i + 100000) + pack::nil();
  JsonFormatter formatter(plain_options());
  EXPECT_EQ(formatted(formatter, record, kTestTime, 1000), "no space");
}

TEST(JsonFormatter, BoundsTheDistinctKeysThatAreHeld) {
  const auto with_keys = [](size_t count) {
    std::string record = pack::map(static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; ++i) record += pack::uint(i) + pack::nil();
    return record;
  };
  JsonFormatter formatter(plain_options());
  const std::string most = formatted(formatter, with_keys(kExactKeysMax), kTestTime, 8 << 20);
  EXPECT_EQ(most.substr(most.size() - 14), "\"262143\":null}");
  EXPECT_TRUE(formatted(formatter, with_keys(kExactKeysMax + 1), kTestTime, 8 << 20) ==
              "too costly");
  // Maps inside each other hold theirs together; one after the other they do not.
  const std::string half = with_keys(kExactKeysMax / 2 + 1);
  EXPECT_TRUE(formatted(formatter, half.substr(0, half.size() - 1) + half, kTestTime, 8 << 20) ==
              "too costly");
  const std::string twice =
      pack::fixmap(2) + pack::str("a") + with_keys(200'000) + pack::str("b") + with_keys(200'000);
  EXPECT_GT(formatted(formatter, twice, kTestTime, 16 << 20).size(), 4'000'000U);
}

}  // namespace
}  // namespace millrace::format
