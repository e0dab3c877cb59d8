// SPDX-License-Identifier: Apache-2.0
// Any record: the same text as a slow second writer's, whatever the formatter saw before, and valid
// JSON with the values of the record.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "format/json_formatter.h"
#include "tests/support/any_json.h"
#include "tests/support/reference_json.h"
#include "tests/unit/format/formatted.h"
#include "tests/unit/format/pack.h"

namespace millrace::format {
namespace {

const reference::Pairs kInjected = {{"time", "\"2011-01-02T13:14:15Z\""}, {"tag", "\"a.b\""}};

// Records that look alike and differ a little, with everything that needs care now and then.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  std::string record(int depth = 0) {
    const size_t pairs = below(depth == 0 ? 14 : 5);
    std::string out = below(2) == 0 ? pack::fixmap(pairs) : pack::map(pairs);
    for (size_t i = 0; i < pairs; ++i) out += key(i) + value(depth);
    return out;
  }

 private:
  size_t below(size_t limit) { return random_() % limit; }

  std::string key(size_t place) {
    static const char* const kNames[] = {"remote_addr",
                                         "method",
                                         "path",
                                         "status",
                                         "ns",
                                         "pod",
                                         "a key of more than thirty-one bytes",
                                         "time",
                                         "tag",
                                         "x"};
    switch (below(20)) {
      case 0:
        return pack::str(kNames[below(10)]);
      case 1:
        return pack::str(text());
      case 2:
        return below(4) == 0 ? scalar() : pack::str("q\"");
      case 3:
        return below(6) == 0 ? container() : pack::str(std::to_string(below(1000)));
      default:
        return pack::str(kNames[place % 7] + std::to_string(place / 7));
    }
  }

  // Keys that are containers are told apart by their bytes, so here a value has one form.
  std::string container() {
    const std::string inner = pack::fixarray(1) + pack::str(text());
    if (below(2) == 0) return inner;
    return pack::fixmap(2) + inner + pack::nil() + pack::str("x") + inner;
  }

  std::string text() {
    std::string out;
    const size_t size = below(4) == 0 ? below(300) : below(20);
    const size_t kind = below(8);
    while (out.size() < size) {
      if (kind == 0) {
        out += static_cast<char>(below(256));
      } else if (kind == 1) {
        out += "インストール é\xf0\x9f\x98\x80";
      } else {
        out += below(60) == 0 ? '"' : static_cast<char>(' ' + below(90));
      }
    }
    return out;
  }

  std::string scalar() {
    switch (below(9)) {
      case 0:
        return pack::nil();
      case 1:
        return pack::boolean(below(2) == 0);
      case 2:
        return pack::int64(static_cast<int64_t>(random_() >> below(64)));
      case 3:
        return pack::float64(std::bit_cast<double>(random_()));
      case 4:
        return pack::float64(static_cast<double>(below(1000000)) / 1000);
      case 5:
        return pack::float32(static_cast<float>(below(1000)) / 7);
      case 6:
        return pack::fixext(static_cast<int>(below(2)), "12345678");
      default:
        return pack::uint(random_() >> below(64));
    }
  }

  std::string value(int depth) {
    const size_t kind = below(depth < 4 ? 12 : 10);
    if (kind < 5) return pack::str(text());
    if (kind == 5) return pack::bin(text());
    if (kind < 10) return scalar();
    if (kind == 10) return record(depth + 1);
    const size_t elements = below(4);
    std::string out = pack::fixarray(elements);
    for (size_t i = 0; i < elements; ++i) out += value(depth + 1);
    return out;
  }

  std::mt19937_64 random_;
};

RC_GTEST_PROP(JsonProperty, AgreesWithTheSecondWriter, (uint64_t seed)) {
  Generator generator(seed);
  JsonFormatter formatter{config::Format()};
  formatter.set_tag("a.b");
  for (int i = 0; i < 20; ++i) {
    const std::string record = generator.record();
    const std::string expected = reference::Writer().record(record, kInjected);
    RC_ASSERT(formatted(formatter, record) == expected);
    // Without slack behind it the record takes the careful way, and ends at the input's end.
    RC_ASSERT(formatted(formatter, record, kTestTime, expected.size()) == expected);
    RC_ASSERT(formatted(formatter, record, kTestTime, expected.size() - 1) == "no space");
    // With other records behind it the fast way may read on.
    const std::string longer = record + std::string(64, '\xc1');
    std::string room(expected.size() + 1024, '#');
    const FormatResult result = formatter.format(longer.data(), longer.data() + longer.size(),
                                                 kTestTime, room.data(), room.data() + room.size());
    RC_ASSERT(result.status == FormatStatus::kOk);
    RC_ASSERT(result.record_end == longer.data() + record.size());
    RC_ASSERT(std::string(room.data(), result.out_end) == expected);
  }
}

RC_GTEST_PROP(JsonProperty, IsValidJson, (uint64_t seed)) {
  Generator generator(seed);
  for (int i = 0; i < 10; ++i) {
    JsonFormatter formatter{config::Format()};
    RC_ASSERT(nlohmann::json::accept(formatted(formatter, generator.record())));
  }
}

RC_GTEST_PROP(JsonProperty, DamagedBytesAreRefusedOrValid, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  Generator generator(seed);
  JsonFormatter formatter{config::Format()};
  for (int i = 0; i < 20; ++i) {
    std::string record = generator.record();
    for (size_t flips = random() % 4; flips > 0; --flips) {
      record[random() % record.size()] = static_cast<char>(random());
    }
    record.resize(random() % (record.size() + 1));
    std::vector<char> room(ample_room(record));
    const FormatResult result = formatter.format(record.data(), record.data() + record.size(),
                                                 kTestTime, room.data(), room.data() + room.size());
    const std::string text(room.data(),
                           result.status == FormatStatus::kOk ? result.out_end : room.data());
    RC_ASSERT(result.status != FormatStatus::kOk || nlohmann::json::accept(text));
  }
}

// Written as MessagePack by the JSON library, as JSON by the formatter, and read by the library.
RC_GTEST_PROP(JsonProperty, ValuesSurviveAnIndependentWriterAndReader, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  JsonFormatter formatter(plain_options());
  for (int i = 0; i < 10; ++i) {
    auto record = nlohmann::json::object();
    for (size_t left = random() % 30; left > 0; --left) {
      record["k" + std::to_string(random() % 50)] = testing::any_json(random, 1);
    }
    std::string packed;
    nlohmann::json::to_msgpack(record, packed);
    RC_ASSERT(nlohmann::json::parse(formatted(formatter, packed)) == record);
  }
}

TEST(JsonProperty, TheBenchmarksEventsKeepTheirValues) {
  std::ifstream file(MILLRACE_SOURCE_DIR "/bench/data/events-500.msgpack", std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  ASSERT_FALSE(bytes.empty());
  JsonFormatter formatter(plain_options());
  std::vector<char> room(4096);
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  size_t events = 0;
  while (p < end) {
    const char* const record = p + 11;  // 92 d7 00, eight bytes of time
    const FormatResult result =
        formatter.format(record, end, kTestTime, room.data(), room.data() + room.size());
    ASSERT_EQ(result.status, FormatStatus::kOk);
    ASSERT_EQ(nlohmann::json::parse(room.data(), result.out_end),
              nlohmann::json::from_msgpack(record, result.record_end));
    p = result.record_end;
    ++events;
  }
  EXPECT_EQ(events, 500U);
}

}  // namespace
}  // namespace millrace::format
