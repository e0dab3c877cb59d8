// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "app/exit_code.h"
#include "cli/commands.h"
#include "tests/unit/cli/captured.h"
#include "tests/unit/cli/forward_peer.h"

namespace millrace::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

std::string text_of(const msgpack::object& object) {
  std::ostringstream text;
  text << object;
  return text.str();
}

Captured sent(const std::string& input, uint16_t port, bool ack, const std::string& time = "",
              uint64_t timeout_ms = 20'000) {
  Arguments arguments;
  arguments.tag = "app.x";
  arguments.host = "127.0.0.1";
  arguments.port = port;
  arguments.ack = ack;
  arguments.time = time;
  arguments.timeout_ms = timeout_ms;
  return captured(input, [&](int in, Output& out) { return send(arguments, in, out); });
}

std::string numbered(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) lines += "{\"n\":" + std::to_string(i) + "}\n";
  return lines;
}

TEST(Send, WritesForwardMessagesAndReadsAcks) {
  ForwardPeer peer(packed_ack);
  const Captured result = sent(numbered(2500), peer.port(), true);
  EXPECT_EQ(result.exit_code, app::kExitFine) << result.complaints;
  EXPECT_EQ(result.out, "2500 events sent, 2500 acked\n");
  int n = 0;
  std::set<std::string> chunks;
  for (const auto& message : peer.messages()) {
    const auto parts = message.get().via.array;
    ASSERT_EQ(parts.size, 3U);
    EXPECT_EQ(parts.ptr[0].as<std::string>(), "app.x");
    for (uint32_t i = 0; i < parts.ptr[1].via.array.size; ++i, ++n) {
      const auto entry = parts.ptr[1].via.array.ptr[i].via.array;
      ASSERT_EQ(entry.size, 2U);
      EXPECT_EQ(entry.ptr[0].type, msgpack::type::EXT);
      EXPECT_EQ(entry.ptr[0].via.ext.size, 8U);
      EXPECT_EQ(text_of(entry.ptr[1]), "{\"n\":" + std::to_string(n) + "}");
    }
    const auto option = parts.ptr[2].as<std::map<std::string, msgpack::object>>();
    EXPECT_EQ(option.at("size").as<uint32_t>(), parts.ptr[1].via.array.size);
    EXPECT_TRUE(chunks.insert(option.at("chunk").as<std::string>()).second);
  }
  EXPECT_EQ(n, 2500);
  EXPECT_GE(chunks.size(), 3U);
}

TEST(Send, AsksForNoAckUnlessTold) {
  ForwardPeer peer([](const std::string&) { return ""; });
  const Captured result = sent("{\"a\":1}", peer.port(), false, "1700000000.5");
  EXPECT_EQ(result.out, "1 event sent\n");
  ASSERT_EQ(peer.messages().size(), 1U);
  const auto& message = peer.messages()[0].get();
  EXPECT_EQ(text_of(message.via.array.ptr[2]), "{\"size\":1}");
  const auto time = message.via.array.ptr[1].via.array.ptr[0].via.array.ptr[0].via.ext;
  EXPECT_EQ(time.type(), 0);
  EXPECT_EQ(std::string(time.data(), 8), std::string("\x65\x53\xf1\x00\x1d\xcd\x65\x00", 8));
}

TEST(Send, LinesBeforeAWrongOneAreSent) {
  for (const std::string wrong : {"[1]", "5", "\"x\"", "{\"a\":1", "{\"a\":1}}", "nonsense",
                                  "{\"a\":\"\xff\"}", "{\"a\":1e999}", "{a:1}"}) {
    ForwardPeer peer(packed_ack);
    const Captured result =
        sent("{\"n\":1}\n\n  \n{\"n\":2}\n" + wrong + "\n{\"n\":3}\n", peer.port(), true);
    EXPECT_EQ(result.exit_code, app::kExitBadData) << wrong;
    EXPECT_EQ(result.out, "2 events sent, 2 acked\n") << wrong;
    EXPECT_THAT(result.complaints, testing::StartsWith("stdin:5: not ")) << wrong;
    EXPECT_THAT(result.complaints, EndsWith("neither this line nor those after it were sent\n"));
    ASSERT_EQ(peer.messages().size(), 1U) << wrong;
    EXPECT_EQ(peer.messages()[0].get().via.array.ptr[1].via.array.size, 2U);
  }
}

TEST(Send, MissingAcksAreAnError) {
  struct Case {
    ForwardPeer::Answer answer;
    const char* complaint;
  };
  const Case cases[] = {
      {[](const std::string&) { return ""; }, " sent no ack in time\n"},
      {[](const std::string&) { return "close"; }, " closed the connection before the ack\n"},
      {[](const std::string&) { return packed_ack("other"); }, " is not the ack\n"},
      {[](const std::string&) { return "HTTP/1.1 400\r\n"; }, " is not the ack\n"},
      {[](const std::string&) {
         return "\x81\xa3"
                "ack\x05";
       },
       " is not the ack\n"},
      {[](const std::string& c) { return "\x82" + packed_ack(c).substr(1); }, " is not the ack\n"},
      {[](const std::string&) { return "\xc1"; }, " is not the ack\n"},
  };
  for (const Case& c : cases) {
    ForwardPeer peer(c.answer);
    const bool silent = std::string(c.complaint).find("in time") != std::string::npos;
    const Captured result = sent(numbered(3), peer.port(), true, "", silent ? 100 : 20'000);
    EXPECT_EQ(result.exit_code, app::kExitUnavailable);
    EXPECT_EQ(result.out, "3 events sent, 0 acked\n");
    EXPECT_THAT(result.complaints, HasSubstr(c.complaint));
  }
}

TEST(Send, TellsThatAKeyIsAskedFor) {
  for (const bool ack : {true, false}) {
    ForwardPeer peer([](const std::string&) { return "\x92\xa4HELO\x80"; });
    const Captured result = sent(numbered(3), peer.port(), ack);
    EXPECT_EQ(result.exit_code, app::kExitUnavailable) << ack;
    EXPECT_THAT(result.complaints, HasSubstr(" asks for a shared key")) << ack;
  }
}

TEST(Send, TellsThatNobodyListens) {
  uint16_t port = 0;
  { port = ForwardPeer(packed_ack).port(); }
  const Captured result = sent(numbered(1), port, true);
  EXPECT_EQ(result.exit_code, app::kExitUnavailable);
  EXPECT_EQ(result.complaints,
            "millrace: cannot reach 127.0.0.1:" + std::to_string(port) + ": Connection refused\n");
  EXPECT_EQ(result.out, "");
}

TEST(Send, WrongTimesAreUsage) {
  const Captured result = sent("{}", 1, false, "yesterday");
  EXPECT_EQ(result.exit_code, app::kExitUsage);
  EXPECT_THAT(result.complaints, HasSubstr("--time yesterday: not a time: write "));
}

TEST(Send, NothingToSendIsFine) {
  ForwardPeer peer(packed_ack);
  const Captured result = sent("\n\n", peer.port(), true);
  EXPECT_EQ(result.exit_code, app::kExitFine);
  EXPECT_EQ(result.out, "0 events sent, 0 acked\n");
}

}  // namespace
}  // namespace millrace::cli
