// SPDX-License-Identifier: Apache-2.0
// What comes from outside stands in the log as text on one line, whatever it is.
#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace millrace::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

// One line with this value. Not above info: warnings are limited by their message.
std::string line_with(std::string_view value, Format format) {
  configure(Level::kInfo, format);
  testing::internal::CaptureStderr();
  info("base", "a test", {{"value", value}});
  configure(Level::kInfo, Format::kText);
  return testing::internal::GetCapturedStderr();
}

void expect_shown(std::string_view value, const std::string& shown) {
  EXPECT_THAT(line_with(value, Format::kText), EndsWith(" value=\"" + shown + "\"\n"));
  EXPECT_THAT(line_with(value, Format::kJson), EndsWith(",\"value\":\"" + shown + "\"}\n"));
}

TEST(Log, PlainTextStaysAsItIs) {
  expect_shown("app.web 1", "app.web 1");
  expect_shown("é 水 \xf0\x9f\x98\x80", "é 水 \xf0\x9f\x98\x80");
}

TEST(Log, NoLineOrFieldCanBeForged) {
  expect_shown("a\n2026-01-01T00:00:00.000Z error app: gone",
               "a\\u000a2026-01-01T00:00:00.000Z error app: gone");
  expect_shown("a\" peer=\"10.0.0.1", "a\\\" peer=\\\"10.0.0.1");
  expect_shown("a\\", "a\\\\");
  expect_shown(std::string_view("a\0b\rc", 5), "a\\u0000b\\u000dc");
}

TEST(Log, NoTerminalCanBeSteered) {
  expect_shown("\x1b[2J", "\\u001b[2J");
  expect_shown("\x7f", "\\u007f");
  expect_shown("\xc2\x9b\x32J", "\\u009b2J");  // the same as one C1 control
  expect_shown("\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6", "\\u2028\\u202e\\u2066");
}

TEST(Log, InvalidUtf8IsReplaced) { expect_shown("a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd"); }

TEST(Log, LongValuesAreCut) {
  const std::string line = line_with(std::string(1 << 20, 'x'), Format::kText);
  EXPECT_EQ(std::count(line.begin(), line.end(), 'x'), static_cast<long>(Field::kBytesMax));
  // Also in the midst of a character.
  EXPECT_THAT(line_with(std::string(Field::kBytesMax - 1, 'x') + "é", Format::kText),
              HasSubstr("x\xef\xbf\xbd\"\n"));
}

TEST(Log, AJsonLineIsJsonWhateverTheByte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const nlohmann::json line = nlohmann::json::parse(line_with(all, Format::kJson));
  EXPECT_EQ(line["msg"], "a test");
  EXPECT_EQ(line["value"].get<std::string>().substr(0, 128), all.substr(0, 128));
}

}  // namespace
}  // namespace millrace::log
