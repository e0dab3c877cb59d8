// SPDX-License-Identifier: Apache-2.0
#include "cli/event_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace millrace::cli {
namespace {

TEST(EventLine, JsonIsPassedOnInOneLine) {
  EXPECT_EQ(event_line("{\"a\":\n1}\n"), "{\"a\": 1}\n");
  EXPECT_EQ(event_line("plain text\n"), "plain text\n");
}

TEST(EventLine, WhatFollowsANulIsNotJson) {
  const std::string data("1\0\0h", 4);
  EXPECT_EQ(event_line(data), "\"1\\u0000\\u0000h\"\n");
  const auto meta = nlohmann::json::parse(event_line_with_meta({"key", "", 0}, data));
  EXPECT_EQ(meta["data"], data);
}

}  // namespace
}  // namespace millrace::cli
