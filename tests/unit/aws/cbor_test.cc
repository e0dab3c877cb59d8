// SPDX-License-Identifier: Apache-2.0
#include "aws/cbor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"

namespace millrace::aws {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct Read {
  Pairs pairs;
  bool whole = false;
};

Read read(std::string_view bytes) {
  Read read;
  CborMapReader reader(bytes);
  std::string key;
  std::string value;
  while (reader.next(key, value)) read.pairs.emplace_back(key, value);
  EXPECT_FALSE(reader.next(key, value));  // the end stays the end
  read.whole = reader.whole();
  return read;
}

std::string bytes_of(std::string_view hex) {
  const auto bytes = hex_decode(hex);
  CHECK(bytes.has_value());
  return *bytes;
}

Read read_hex(std::string_view hex) { return read(bytes_of(hex)); }

std::vector<std::string> words(const char* text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// Every item of RFC 8949, appendix A, that is not a text string.
constexpr char kItems[] =
    "00 01 0a 17 1818 1819 1864 1903e8 1a000f4240 1b000000e8d4a51000 1bffffffffffffffff "
    "c249010000000000000000 3bffffffffffffffff c349010000000000000000 20 29 3863 3903e7 "
    "f90000 f98000 f93c00 fb3ff199999999999a f93e00 f97bff fa47c35000 fa7f7fffff "
    "fb7e37e43c8800759c f90001 f90400 f9c400 fbc010666666666666 f97c00 f97e00 f9fc00 "
    "fa7f800000 fa7fc00000 faff800000 fb7ff0000000000000 fb7ff8000000000000 "
    "fbfff0000000000000 f4 f5 f6 f7 f0 f8ff c11a514b67b0 c1fb41d452d9ec200000 d74401020304 "
    "d818456449455446 40 4401020304 80 83010203 8301820203820405 "
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819 a0 a201020304 "
    "a26161016162820203 826161a161626163 a56161614161626142616361436164614461656145 "
    "5f42010243030405ff 9fff 9f018202039f0405ffff 9f01820203820405ff 83018202039f0405ff "
    "83019f0203ff820405 9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff "
    "bf61610161629f0203ffff 826161bf61626163ff bf6346756ef563416d7421ff";

// Its text strings.
constexpr std::pair<const char*, const char*> kTexts[] = {
    {"60", ""},
    {"6161", "a"},
    {"6449455446", "IETF"},
    {"62225c", "\"\\"},
    {"62c3bc", "\xc3\xbc"},
    {"63e6b0b4", "\xe6\xb0\xb4"},
    {"64f0908591", "\xf0\x90\x85\x91"},
    {"7f657374726561646d696e67ff", "streaming"},
    {"c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"},
    {"d82076687474703a2f2f7777772e6578616d706c652e636f6d", "http://www.example.com"}};

// Appendix F, section F.1: what is not well-formed.
constexpr char kMalformed[] =
    "18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900 fa0000 "
    "fb000000 41 61 5affffffff00 5bffffffffffffffff010203 7affffffff00 "
    "7b7fffffffffffffff010203 81 818181818181818181 8200 a1 a20102 a100 a2000000 c0 5f4100 "
    "7f6100 9f 9f0102 bf bf01020102 819f 9f8000 9f9f9f9f9fffffffff 9f819f819f9fffffff 1c 1d "
    "1e 3c 3d 3e 5c 5d 5e 7c 7d 7e 9c 9d 9e bc bd be dc dd de fc fd fe f800 f801 f818 f81f "
    "5f00ff 5f21ff 5f6100ff 5f80ff 5fa0ff 5fc000ff 5fe0ff 7f4100ff 5f5f4100ffff 7f7f6100ffff "
    "ff 81ff 8200ff a1ff a1ff00 a100ff a20000ff 9f81ff 9f829f819f9fffffffff bf00ff "
    "bf000000ff 1f 3f df dfff";

TEST(CborWriter, StringsAndMapsOfTheStandard) {
  for (const auto& [hex, text] : kTexts) {
    const std::string_view form(hex);
    if (form[0] != '6') continue;  // indefinite, tagged
    std::string out;
    cbor_append_text(out, text);
    EXPECT_EQ(hex_encode(out), form);
  }
  std::string out;
  cbor_append_bytes_head(out, 4);
  EXPECT_EQ(hex_encode(out.append("\1\2\3\4")), "4401020304");
  out.clear();
  cbor_append_map(out, 5);
  for (const char c : std::string_view("aAbBcCdDeE")) cbor_append_text(out, {&c, 1});
  EXPECT_EQ(hex_encode(out), "a56161614161626142616361436164614461656145");
}

// The heads of appendix A's integers, of major type 2.
TEST(CborWriter, LengthsInShortestForm) {
  const std::pair<uint64_t, const char*> lengths[] = {{0, "40"},
                                                      {10, "4a"},
                                                      {23, "57"},
                                                      {24, "5818"},
                                                      {100, "5864"},
                                                      {255, "58ff"},
                                                      {256, "590100"},
                                                      {1000, "5903e8"},
                                                      {65'535, "59ffff"},
                                                      {65'536, "5a00010000"},
                                                      {1'000'000, "5a000f4240"},
                                                      {0xffff'ffff, "5affffffff"},
                                                      {0x1'0000'0000, "5b0000000100000000"},
                                                      {1'000'000'000'000, "5b000000e8d4a51000"},
                                                      {UINT64_MAX, "5bffffffffffffffff"}};
  for (const auto& [length, hex] : lengths) {
    std::string out;
    cbor_append_bytes_head(out, length);
    EXPECT_EQ(hex_encode(out), hex);
  }
}

TEST(CborMapReader, ReadsWhatTheWriterWrote) {
  for (const size_t size : {0u, 1u, 23u, 24u, 255u, 256u, 65'535u, 65'536u, 100'000u}) {
    const std::string text(size, 't');
    std::string out;
    cbor_append_map(out, 2);
    cbor_append_text(out, "name");
    cbor_append_text(out, text);
    cbor_append_text(out, text);
    cbor_append_text(out, "value");
    const Read got = read(out);
    EXPECT_TRUE(got.whole);
    EXPECT_THAT(got.pairs, ElementsAre(Pair("name", text), Pair(text, "value")));
  }
}

TEST(CborMapReader, TakesTextOfAnyForm) {
  for (const auto& [hex, text] : kTexts) {
    const Read got = read_hex("a1" + std::string(hex) + hex);
    EXPECT_TRUE(got.whole) << hex;
    EXPECT_THAT(got.pairs, ElementsAre(Pair(text, text))) << hex;
  }
}

TEST(CborMapReader, StepsOverEverythingElse) {
  for (const std::string& hex : words(kItems)) {
    for (const char* form : {"a3", "bf"}) {  // as a value, as a key, and a pair behind them
      const std::string end = *form == 'b' ? "ff" : "";
      const Read got = read_hex(form + std::string("616b") + hex + hex + "616b" + "617a6165" + end);
      EXPECT_TRUE(got.whole) << hex;
      EXPECT_THAT(got.pairs, ElementsAre(Pair("z", "e"))) << hex;
    }
  }
}

TEST(CborMapReader, RefusesWhatIsNotWellFormed) {
  for (const std::string& hex : words(kMalformed)) {
    for (const char* before : {"a1616b", "a1", "bf616b", "a28201"}) {
      EXPECT_FALSE(read_hex(before + hex).whole) << before << hex;
    }
    EXPECT_FALSE(read_hex(hex).whole) << hex;
  }
}

TEST(CborMapReader, RefusesWhatIsNoSingleMap) {
  for (const std::string& hex : words(kItems)) {
    const bool is_map = hex[0] == 'a' || hex[0] == 'b';
    EXPECT_EQ(read_hex(hex).whole, is_map) << hex;
  }
  EXPECT_FALSE(read("").whole);
  EXPECT_TRUE(read_hex("a0").whole);
  EXPECT_TRUE(read_hex("bfff").whole);
  EXPECT_TRUE(read_hex("d9d9f7a0").whole);  // "self-described": section 3.4.6
  EXPECT_FALSE(read_hex("a000").whole);
  EXPECT_FALSE(read_hex("bfffff").whole);
  const Read cut = read_hex("a261616162");
  EXPECT_FALSE(cut.whole);
  EXPECT_THAT(cut.pairs, ElementsAre(Pair("a", "b")));
}

TEST(CborMapReader, TextIsUtf8) {
  EXPECT_FALSE(read_hex("a1616b61ff").whole);
  EXPECT_FALSE(read_hex("a161ff616b").whole);
  EXPECT_FALSE(read_hex("a1616b63eda080").whole);  // a surrogate
  EXPECT_TRUE(read_hex("a1616b41ff").whole);       // bytes may be anything
}

TEST(CborMapReader, BoundsTheDepth) {
  const auto nested = [](size_t depth) {
    return read(bytes_of("a1616b") + std::string(depth, '\x81') + '\0').whole;
  };
  EXPECT_TRUE(nested(15));
  EXPECT_FALSE(nested(16));
  EXPECT_FALSE(nested(1'000'000));
  EXPECT_FALSE(read(bytes_of("a1616b") + std::string(1'000'000, '\x9f')).whole);
  EXPECT_FALSE(read(bytes_of("a1616b") + std::string(1'000'000, '\x7f')).whole);
  EXPECT_TRUE(read(bytes_of("a1616b") + std::string(1'000'000, '\xc1') + '\0').whole);
}

// A length says nothing about what is there: none is believed before the bytes are.
TEST(CborMapReader, LengthsBeyondTheEndTakeNoMemory) {
  for (const char* hex : {"bbffffffffffffffff", "a1616b7bffffffffffffffff",
                          "a1616b9bffffffffffffffff", "a17bffffffffffffffff"}) {
    const Read got = read_hex(hex);
    EXPECT_FALSE(got.whole) << hex;
    EXPECT_THAT(got.pairs, IsEmpty()) << hex;
  }
}

}  // namespace
}  // namespace millrace::aws
