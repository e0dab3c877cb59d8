// SPDX-License-Identifier: Apache-2.0
#include "input/forward/listener.h"

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/messages.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::TcpClient;

TEST(Listener, ConnectionsOverTheLimitAreRefused) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.connection_limit = 2; }));
  TcpClient one(server.port());
  TcpClient two(server.port());
  ASSERT_TRUE(one.send(message("1")));
  expect_reply(one, ack_of("1"));
  ASSERT_TRUE(two.send(message("2")));
  expect_reply(two, ack_of("2"));
  TcpClient three(server.port());
  EXPECT_EQ(three.receive_all(), "");
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kConnectionsRefused) == 1; }));
  one.close();
  ASSERT_TRUE(eventually([&] { return server.listener_->connections() == 1; }));
  TcpClient four(server.port());
  ASSERT_TRUE(four.send(message("4")));
  expect_reply(four, ack_of("4"));
}

TEST(Listener, ConnectionsOverTheLimitOfTheirSourceAreRefused) {
  ForwardServer server(
      options_with([](ListenerOptions& o) { o.source.connection_limit_per_source = 2; }));
  TcpClient one(server.port());
  TcpClient two(server.port());
  ASSERT_TRUE(eventually([&] { return server.listener_->connections() == 2; }));
  TcpClient three(server.port());
  EXPECT_EQ(three.receive_all(), "");
  EXPECT_EQ(server.count(Metric::kRefusedPerSource), 1u);
  EXPECT_EQ(server.count(Metric::kConnectionsRefused), 0u);
  one.close();
  ASSERT_TRUE(eventually([&] { return server.listener_->connections() == 1; }));
  TcpClient four(server.port());
  ASSERT_TRUE(four.send(message("4")));
  expect_reply(four, ack_of("4"));
}

TEST(Listener, NobodyMakesRoomForOneOverItsOwnLimit) {
  ForwardServer server(options_with([](ListenerOptions& o) {
    o.source.connection_limit = 2;
    o.source.connection_limit_per_source = 2;
  }));
  TcpClient one(server.port());
  TcpClient two(server.port());
  ASSERT_TRUE(eventually([&] { return server.listener_->connections() == 2; }));
  EXPECT_EQ(TcpClient(server.port()).receive_all(), "");
  EXPECT_EQ(server.count(Metric::kRefusedPerSource), 1u);
  EXPECT_EQ(server.count(Metric::kClosedMadeRoom), 0u);
  for (TcpClient* client : {&one, &two}) {
    ASSERT_TRUE(client->send(message("1")));
    expect_reply(*client, ack_of("1"));
  }
}

TEST(Listener, TheOldestThatHasShownNothingMakesRoom) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.connection_limit = 4; }));
  TcpClient agent(server.port());
  ASSERT_TRUE(agent.send(message("1")));
  expect_reply(agent, ack_of("1"));
  TcpClient heard(server.port());
  ASSERT_TRUE(heard.send(message("2").substr(0, 5)));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > 0; }));
  TcpClient silent(server.port());
  TcpClient younger(server.port());
  ASSERT_TRUE(eventually([&] { return server.listener_->connections() == 4; }));

  // The silent go first, in their order, then who has only begun; who has sent a message stays.
  std::vector<std::unique_ptr<TcpClient>> next;
  for (TcpClient* gone : {&silent, &younger, &heard}) {
    next.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(next.back()->send(message("3")));
    expect_reply(*next.back(), ack_of("3"));
    EXPECT_EQ(gone->receive_all(), "");
    EXPECT_EQ(gone->state(), TcpClient::State::kEnded);
  }
  EXPECT_EQ(server.count(Metric::kClosedMadeRoom), 3u);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
  EXPECT_EQ(TcpClient(server.port()).receive_all(), "");
  EXPECT_EQ(server.count(Metric::kConnectionsRefused), 1u);
  ASSERT_TRUE(agent.send(message("4")));
  expect_reply(agent, ack_of("4"));
}

TEST(Listener, TakenPortIsAnError) {
  ForwardServer first;
  event::Loop loop;
  FakeReceiver receiver;
  metrics::Cells cells;
  ListenerOptions options{.source = ForwardServer::local_source()};
  options.source.port = first.port();
  const auto second = Listener::open(loop, options, receiver, cells);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::kUnreachable);
  options.port_must_be_free = false;  // as the second worker does
  EXPECT_TRUE(Listener::open(loop, options, receiver, cells).has_value());
}

TEST(Listener, CloseAllServesWhatHasArrivedAndEndsWithFin) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  TcpClient idle(server.port());
  TcpClient busy(server.port());
  ASSERT_TRUE(busy.send(message("1")));
  ASSERT_TRUE(eventually([&] { return server.events().size() == 1; }));
  std::atomic<bool> done{false};
  server.on_loop([&] { server.listener_->close_all(10'000, [&] { done = true; }); });
  EXPECT_FALSE(TcpClient(server.port()).connected());
  EXPECT_EQ(idle.receive_all(), "");
  EXPECT_EQ(idle.state(), TcpClient::State::kEnded);
  idle.close();
  // A message that was on its way is taken and answered, and only then the connection ends.
  ASSERT_TRUE(busy.send(message("2")));
  ASSERT_TRUE(eventually([&] { return server.events().size() == 2; }));
  EXPECT_FALSE(done);
  server.on_loop([&] {
    for (const Ticket ticket : std::exchange(server.receiver_.tickets, {})) {
      server.listener_->stored(ticket);
    }
  });
  EXPECT_EQ(busy.receive_all(), ack_of("1") + ack_of("2"));
  EXPECT_EQ(busy.state(), TcpClient::State::kEnded);
  busy.close();
  EXPECT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_EQ(server.listener_->connections(), 0u);
}

TEST(Listener, CloseAllDoesNotWaitForAClientThatNeverPauses) {
  ForwardServer server;
  TcpClient client(server.port());
  std::atomic<bool> done{false};
  size_t acks = 0;
  // The begin of the next message is always there before the ack of the last one is read.
  std::string rest = message("0");
  for (int i = 1; client.send(rest + message(std::to_string(i)).substr(0, 5)); ++i) {
    rest = message(std::to_string(i)).substr(5);
    if (client.receive_exactly(ack_of(std::to_string(i - 1)).size()).empty()) break;
    if (++acks == 100) {
      server.on_loop([&] { server.listener_->close_all(600'000, [&] { done = true; }); });
    }
  }
  client.close();
  EXPECT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_GE(acks, 100U);
  EXPECT_EQ(server.events().size(), acks);
}

TEST(Listener, CloseAllEndsAtItsDeadline) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1") + message("2").substr(0, 5)));
  ASSERT_TRUE(eventually([&] { return server.events().size() == 1; }));
  std::atomic<bool> done{false};
  server.on_loop([&] { server.listener_->close_all(100, [&] { done = true; }); });
  EXPECT_TRUE(eventually([&] { return done.load(); }));
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(server.count(Metric::kConnections), 0u);
}

TEST(Listener, EndsWithOpenConnections) {
  ForwardServer server;
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1").substr(0, 5)));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > 0; }));
  server.stop();
  EXPECT_EQ(server.count(Metric::kConnections), 0u);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
}

}  // namespace
}  // namespace millrace::input
