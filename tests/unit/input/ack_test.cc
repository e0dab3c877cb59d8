// SPDX-License-Identifier: Apache-2.0
#include "input/forward/ack.h"

#include <gtest/gtest.h>

#include "input/forward/foreign.h"
#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;

std::string ack(const std::string& chunk_value) {
  std::string out;
  append_ack(out, chunk_value);
  return out;
}

std::string json_ack(const std::string& chunk_value) {
  std::string out;
  append_json_ack(out, chunk_value);
  return out;
}

TEST(Ack, EchoesTheValueAsItCame) {
  EXPECT_EQ(ack(hex("a2 63 31")), hex("81 a3 61 63 6b a2 63 31"));
  EXPECT_EQ(ack(hex("4d")), hex("81 a3 61 63 6b 4d"));
  EXPECT_EQ(ack(hex("c4 02 01 02")), hex("81 a3 61 63 6b c4 02 01 02"));
  EXPECT_EQ(
      ack("\xb9"
          "AAECAwQFBgcICQoLDA0ODw==\n"),
      hex("81 a3 61 63 6b b9 41 41 45 43 41 77 51 46 42 67 63 49 43 51 6f 4c 44 41 30 4f 44 77 3d "
          "3d 0a"));
}

TEST(Ack, JsonText) {
  EXPECT_EQ(json_ack("\xa3q=="), R"({"ack":"q=="})");
  EXPECT_EQ(json_ack(hex("4d")), R"({"ack":77})");
  EXPECT_EQ(json_ack(hex("ff")), R"({"ack":-1})");
  EXPECT_EQ(json_ack("\xa5\"\\\n\x1f/"), R"({"ack":"\"\\\u000a\u001f/"})");
}

TEST(Foreign, RecognisesByTheFirstBytes) {
  using Match = Foreign::Match;
  EXPECT_STREQ(recognise_foreign("GET / HTTP/1.1\r\n").protocol, "HTTP");
  EXPECT_STREQ(recognise_foreign("PRI * HTTP/2.0").protocol, "HTTP");
  EXPECT_STREQ(recognise_foreign(hex("16 03 01 02 00")).protocol, "TLS");
  EXPECT_STREQ(recognise_foreign("SSH-2.0-x").protocol, "SSH");
  EXPECT_EQ(recognise_foreign("P").match, Match::kNeedMore);
  EXPECT_EQ(recognise_foreign("POST").match, Match::kNeedMore);
  EXPECT_EQ(recognise_foreign("\x16").match, Match::kNeedMore);
  EXPECT_EQ(recognise_foreign("POSTS").match, Match::kNo);
  EXPECT_EQ(recognise_foreign("\x93").match, Match::kNo);
  EXPECT_EQ(recognise_foreign("[").match, Match::kNo);
}

}  // namespace
}  // namespace millrace::input
