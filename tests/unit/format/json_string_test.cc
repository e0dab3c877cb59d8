// SPDX-License-Identifier: Apache-2.0
#include "format/json_string.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/utf8.h"

namespace millrace::format {
namespace {

// The inside of the JSON string, byte by byte.
std::string slow_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const std::string_view known = "\b\t\n\f\r\"\\";
    const size_t at = known.find(c);
    if (at != std::string_view::npos) {
      out += '\\';
      out += "btnfr\"\\"[at];
    } else if (byte < 0x20) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\u%04x", byte);
      out += hex;
    } else {
      out += c;
    }
  }
  return out;
}

template <Utf8Mode kMode>
std::string written(std::string_view text, size_t behind, bool& replaced) {
  const std::string input = std::string(text) + std::string(behind, '"');
  std::vector<char> room(text.size() * 6 + 64);
  char* const end = put_string<kMode>(input.data(), text.size(), input.data() + input.size(),
                                      room.data(), room.data() + room.size(), replaced);
  return end == nullptr ? "no room" : std::string(room.data(), end);
}

TEST(JsonString, EscapesWhatJsonAsksForAndNothingElse) {
  for (int byte = 0; byte < 0x80; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    bool replaced = false;
    EXPECT_EQ(json_string(text, replaced), '"' + slow_escape(text) + '"') << byte;
    EXPECT_FALSE(replaced);
  }
  bool replaced = false;
  EXPECT_EQ(json_string(std::string_view("\0\x0b\x1f\x7f/<>&'", 9), replaced),
            "\"\\u0000\\u000b\\u001f\x7f/<>&'\"");
}

TEST(JsonString, CopiesUtf8) {
  bool replaced = false;
  const std::string text = "é \xe2\x80\xa8\xe2\x80\xa9 インストール \xf0\x9f\x98\x80";
  EXPECT_EQ(json_string(text, replaced), '"' + text + '"');
  EXPECT_FALSE(replaced);
}

TEST(JsonString, ReplacesEachMaximalInvalidPart) {
  const std::string u = "\xef\xbf\xbd";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xff", u},
      {"a\x80z", "a" + u + "z"},
      {"\xc0\xaf", u + u},                  // overlong
      {"\xed\xa0\x80", u + u + u},          // surrogate
      {"\xf4\x90\x80\x80", u + u + u + u},  // above U+10FFFF
      {"\xe3\x82", u},                      // cut short
      {"\xe3\x82z", u + "z"},
      {"\xf0\x9f\x98", u},
      {"\xe3\x82\xa4\xe3", "\xe3\x82\xa4" + u},
  };
  for (const auto& [text, expected] : cases) {
    bool replaced = false;
    EXPECT_EQ(json_string(text, replaced), '"' + expected + '"');
    EXPECT_TRUE(replaced);
  }
}

TEST(JsonString, RawModeCopiesInvalidBytes) {
  bool replaced = false;
  const std::string text = "a\xff\x80\n\xe3\x82";
  EXPECT_EQ(written<Utf8Mode::kRaw>(text, 0, replaced), "\"a\xff\x80\\n\xe3\x82\"");
  EXPECT_FALSE(replaced);
}

TEST(JsonString, FindsASpecialByteAtEveryPlace) {
  for (size_t size = 0; size <= 50; ++size) {
    for (size_t at = 0; at <= size; ++at) {
      for (const char special : {'"', '\\', '\n', '\x01', '\xff'}) {
        std::string text(size, 'x');
        if (at < size) text[at] = special;
        for (const size_t behind : {size_t{0}, size_t{15}, size_t{16}, size_t{40}}) {
          bool replaced = false;
          ASSERT_EQ(written<Utf8Mode::kValid>(text, behind, replaced),
                    '"' + slow_escape(utf8_repaired(text)) + '"');
          ASSERT_EQ(replaced, at < size && special == '\xff');
        }
      }
    }
  }
}

TEST(JsonString, SaysNoExactlyWhenItDoesNotFit) {
  const std::vector<std::string> texts = {"",
                                          "plain text of more than sixteen bytes",
                                          "a\"b\\c\n",
                                          "\x01\x02",
                                          "イン\xff"
                                          "スト",
                                          "0123456789abcdef"};
  for (const std::string& text : texts) {
    const std::string expected = slow_escape(utf8_repaired(text));
    for (size_t room = 0; room <= expected.size() + 2; ++room) {
      std::vector<char> bytes(room + 1, '#');
      bool replaced = false;
      char* const end = escape_text<Utf8Mode::kValid>(text.data(), text.data() + text.size(),
                                                      bytes.data(), bytes.data() + room, replaced);
      EXPECT_EQ(bytes[room], '#');
      if (room < expected.size()) {
        EXPECT_EQ(end, nullptr);
      } else {
        ASSERT_NE(end, nullptr);
        EXPECT_EQ(std::string(bytes.data(), end), expected);
      }
    }
  }
}

RC_GTEST_PROP(JsonString, BlocksAgreeWithThePortableForm, (std::vector<char> bytes)) {
  bytes.resize(kBlockBytes);
  char fast[kBlockBytes];
  char portable[kBlockBytes];
  RC_ASSERT(copy_block<Utf8Mode::kValid>(bytes.data(), fast) ==
            copy_block_portable<Utf8Mode::kValid>(bytes.data(), portable));
  RC_ASSERT(std::memcmp(fast, portable, kBlockBytes) == 0);
  RC_ASSERT(copy_block<Utf8Mode::kRaw>(bytes.data(), fast) ==
            copy_block_portable<Utf8Mode::kRaw>(bytes.data(), portable));
}

RC_GTEST_PROP(JsonString, AnyBytesAreWrittenAsTheSlowWayDoes, (std::string text)) {
  bool replaced = false;
  RC_ASSERT(written<Utf8Mode::kValid>(text, 3, replaced) ==
            '"' + slow_escape(utf8_repaired(text)) + '"');
  RC_ASSERT(replaced == !utf8_valid(text));
  RC_ASSERT(written<Utf8Mode::kRaw>(text, 3, replaced) == '"' + slow_escape(text) + '"');
}

}  // namespace
}  // namespace millrace::format
