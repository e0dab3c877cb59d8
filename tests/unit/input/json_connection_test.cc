// SPDX-License-Identifier: Apache-2.0
// JSON mode over real connections.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/input/forward_server.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::TcpClient;

std::vector<std::string> records_of(ForwardServer& server) {
  std::vector<std::string> out;
  for (const Event& event : server.events()) {
    out.push_back(nlohmann::json::from_msgpack(event.record).dump());
  }
  return out;
}

TEST(JsonMode, StoresAndAcksAsJson) {
  ForwardServer server;
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(R"(["t",1700000000,{"m":1},{"chunk":"q=="}])"));
  EXPECT_EQ(client.receive_exactly(13), R"({"ack":"q=="})");
  EXPECT_TRUE(client.silent_for(20));
  const std::vector<Event> events = server.events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].tag, "t");
  EXPECT_EQ(events[0].time, (EventTime{1700000000, 0}));
  EXPECT_EQ(records_of(server), std::vector<std::string>{R"({"m":1})"});
  EXPECT_EQ(server.count(Metric::kReceivedJson), 1u);
  EXPECT_EQ(server.receiver_.modes.at(0), Mode::kJson);
}

TEST(JsonMode, ValuesFollowEachOtherHoweverTheyArrive) {
  ForwardServer server;
  TcpClient client(server.port());
  const std::string all =
      "[\"t\",1,{\"m\":1}]\n[\"t\",2,{\"m\":2}][\"t\",[[3,{\"m\":3}],[4,{\"m\":\"\\\"]}\"}]]] null "
      "[\"t\",5,{\"m\":5},{\"chunk\":7}]";
  for (const char byte : all) ASSERT_TRUE(client.send({&byte, 1}));
  EXPECT_EQ(client.receive_exactly(9), R"({"ack":7})");
  ASSERT_TRUE(client.send(all));
  EXPECT_EQ(client.receive_exactly(9), R"({"ack":7})");
  const std::vector<std::string> once = {R"({"m":1})", R"({"m":2})", R"({"m":3})",
                                         R"({"m":"\"]}"})", R"({"m":5})"};
  std::vector<std::string> twice = once;
  twice.insert(twice.end(), once.begin(), once.end());
  EXPECT_EQ(records_of(server), twice);
}

TEST(JsonMode, ErrorsCloseAndStoreNothing) {
  for (const std::string bad :
       {R"(["t",1700000000,{m}])", R"(["t",1,{"m":1},])", "[}", "{\"a\":1}", "[1]5", "[1]x"}) {
    ForwardServer server;
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(bad));
    EXPECT_EQ(client.receive_all(), "") << bad;
    EXPECT_EQ(client.state(), TcpClient::State::kEnded);
    EXPECT_TRUE(server.events().empty());
    EXPECT_EQ(server.count(Metric::kClosedMalformed), 1u) << bad;
  }
}

TEST(JsonMode, DeepNestingIsRefusedWithoutHarm) {
  ForwardServer server;
  TcpClient client(server.port());
  client.send("[\"t\",1,{\"a\":" + std::string(100'000, '['));
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(server.count(Metric::kClosedMalformed), 1u);
}

TEST(JsonMode, CanBeOff) {
  ListenerOptions options{.source = ForwardServer::local_source()};
  options.source.json = false;
  ForwardServer server(std::move(options));
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(R"(["t",1700000000,{"m":1}])"));
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_TRUE(server.events().empty());
}

TEST(JsonMode, BlanksKeepNoFrameOpen) {
  ListenerOptions options{.source = ForwardServer::local_source()};
  options.source.frame_timeout_ms = 40;
  ForwardServer server(std::move(options));
  TcpClient client(server.port());
  ASSERT_TRUE(client.send("[\"t\",1,{}]\n\n"));
  EXPECT_TRUE(client.silent_for(150));
  ASSERT_TRUE(client.send(R"(["t",1,{},{"chunk":"c"}])"));
  EXPECT_EQ(client.receive_exactly(11), R"({"ack":"c"})");
}

}  // namespace
}  // namespace millrace::input
