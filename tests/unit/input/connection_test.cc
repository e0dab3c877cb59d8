// SPDX-License-Identifier: Apache-2.0
// Life of connections over real sockets: order of acks, sizes of frames, ends.

#include "input/forward/connection.h"

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/messages.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::hex;
using test::TcpClient;

TEST(Connection, AThousandMessagesInOneSegmentAreAckedInOrder) {
  ForwardServer server;
  TcpClient client(server.port());
  std::string sent;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    sent += message("c" + std::to_string(i));
    expected += ack_of("c" + std::to_string(i));
  }
  ASSERT_TRUE(client.send(sent));
  EXPECT_EQ(client.receive_exactly(expected.size()), expected);
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kAcks) == 1000; }));
  EXPECT_EQ(server.count(Metric::kReceivedMessage), 1000u);
  EXPECT_EQ(server.count(Metric::kReceivedBytes), sent.size());
}

TEST(Connection, MoreMessagesThanMayBeInFlightAreTakenInTurns) {
  ForwardServer server;
  TcpClient client(server.port());
  std::string sent;
  std::string expected;
  for (int i = 0; i < 10'000; ++i) {
    sent += message(std::to_string(i));
    expected += ack_of(std::to_string(i));
  }
  std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
  EXPECT_EQ(client.receive_exactly(expected.size()), expected);
  sender.join();
}

TEST(Connection, AcksKeepTheOrderOfArrivalWhateverIsStoredFirst) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1") + message("2") + message("3")));
  ASSERT_TRUE(eventually([&] { return server.events().size() == 3; }));
  const std::vector<Ticket> tickets = server.receiver_.tickets;
  server.on_loop([&] { server.listener_->stored(tickets[2]); });
  server.on_loop([&] { server.listener_->stored(tickets[1]); });
  EXPECT_TRUE(client.silent_for(30));
  server.on_loop([&] { server.listener_->stored(tickets[0]); });
  expect_reply(client, ack_of("1") + ack_of("2") + ack_of("3"));
}

TEST(Connection, DoneIsAckedInOrderToo) {
  ForwardServer server;
  server.on_loop([&] {
    server.hold_ = true;
    server.receiver_.verdicts = {Verdict::kTaken, Verdict::kDone};
  });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1") + message("2")));
  ASSERT_TRUE(eventually([&] { return server.events().size() == 1; }));
  EXPECT_TRUE(client.silent_for(30));
  server.on_loop([&] { server.listener_->stored(server.receiver_.tickets[0]); });
  expect_reply(client, ack_of("1") + ack_of("2"));
}

TEST(Connection, OneWholeAckPerRead) {
  ForwardServer server;
  TcpClient client(server.port());
  for (int i = 0; i < 1000; ++i) {
    const std::string chunk = "AAECAwQFBgcICQoL" + std::to_string(i);
    ASSERT_TRUE(client.send(message(chunk)));
    ASSERT_EQ(client.receive(511), ack_of(chunk));
  }
}

TEST(Connection, HalfClosedClientGetsItsAcksThenFin) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("c1") + message("c2")));
  client.shut_down();
  ASSERT_TRUE(eventually([&] { return server.events().size() == 2; }));
  EXPECT_TRUE(client.silent_for(30));
  server.on_loop([&] {
    for (const Ticket ticket : server.receiver_.tickets) server.listener_->stored(ticket);
  });
  EXPECT_EQ(client.receive_all(), ack_of("c1") + ack_of("c2"));
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
}

TEST(Connection, WithoutChunkAHalfClosedClientGetsOnlyFin) {
  ForwardServer server;
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(hex("93 a4 74 65 73 74 05 80")));
  client.shut_down();
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.events().size(), 1u);
}

TEST(Connection, ConnectAndCloseIsNoError) {
  ForwardServer server;
  for (int i = 0; i < 100; ++i) TcpClient client(server.port());
  ASSERT_TRUE(eventually([&] {
    return server.count(Metric::kConnectionsTotal) == 100 &&
           server.count(Metric::kConnections) == 0;
  }));
  EXPECT_EQ(server.count(Metric::kDiscardedFrames), 0u);
}

TEST(Connection, AFrameCutShortIsCountedAndNotStored) {
  ForwardServer server;
  {
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(message("c1").substr(0, 3)));
  }
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kDiscardedFrames) == 1; }));
  EXPECT_EQ(server.count(Metric::kDiscardedFrameBytes), 3u);
  EXPECT_TRUE(server.events().empty());
}

TEST(Connection, PeerIsTheAddressAlone) {
  ForwardServer server;
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("c1")));
  expect_reply(client, ack_of("c1"));
  EXPECT_EQ(server.ask<std::string>([&] { return server.receiver_.peers.at(0); }), "127.0.0.1");
  EXPECT_EQ(server.ask<std::string>([&] { return server.receiver_.chunks.at(0); }), "c1");
}

TEST(Connection, FramesOfEverySizeArriveWhole) {
  ForwardServer server;
  TcpClient client(server.port());
  size_t events = 0;
  for (const size_t size :
       {size_t{100}, size_t{32} << 10, (size_t{32} << 10) + 1, size_t{122} << 10, size_t{256} << 10,
        size_t{300} << 10, size_t{5} << 20}) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      ASSERT_TRUE(client.send(big_message("c1", size)));
      expect_reply(client, ack_of("c1"));
      ++events;
    }
  }
  const std::vector<Event> stored = server.events();
  ASSERT_EQ(stored.size(), events);
  EXPECT_EQ(stored.back().record.size(), (size_t{5} << 20) + 8);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
}

// Big and small ones without waiting, so that reads end anywhere.
TEST(Connection, PipelinedFramesOfMixedSizes) {
  ForwardServer server;
  TcpClient client(server.port());
  std::string sent;
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string chunk = std::to_string(i);
    sent += i % 7 == 0 ? big_message(chunk, static_cast<size_t>(i) * 1000) : message(chunk);
    expected += ack_of(chunk);
  }
  std::thread sender([&] { EXPECT_TRUE(client.send(sent)); });
  EXPECT_EQ(client.receive_exactly(expected.size()), expected);
  sender.join();
  EXPECT_EQ(server.events().size(), 300u);
}

TEST(Connection, TheFrameLimitIsExact) {
  const std::string exact = big_message("c1", 1000);
  ForwardServer server(
      options_with([&](ListenerOptions& o) { o.source.frame_limit = exact.size(); }));
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(exact));
  expect_reply(client, ack_of("c1"));
  ASSERT_TRUE(client.send(message("c2") + big_message("c3", 1001)));
  // What came before is acked, then FIN, although the client goes on sending.
  EXPECT_EQ(client.receive_all(), ack_of("c2"));
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.count(Metric::kClosedFrameLimit), 1u);
  EXPECT_GT(server.count(Metric::kDiscardedClosedBytes), 0u);
  EXPECT_EQ(server.events().size(), 2u);
}

TEST(Connection, EarlierMessagesAreAckedBeforeTheConnectionCloses) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1") + hex("c1") + message("2")));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kClosedMalformed) == 1; }));
  EXPECT_TRUE(client.silent_for(30));
  server.on_loop([&] { server.listener_->stored(server.receiver_.tickets.at(0)); });
  EXPECT_EQ(client.receive_all(), ack_of("1"));
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.events().size(), 1u);
}

TEST(Connection, AFailedMessageClosesWithoutItsAckOrLaterOnes) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1") + message("2") + message("3")));
  ASSERT_TRUE(eventually([&] { return server.events().size() == 3; }));
  server.on_loop([&] {
    const std::vector<Ticket> tickets = server.receiver_.tickets;
    server.listener_->failed(tickets[1]);
    server.listener_->stored(tickets[2]);
    server.listener_->stored(tickets[0]);
  });
  EXPECT_EQ(client.receive_all(), ack_of("1"));
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.count(Metric::kClosedStorage), 1u);
}

TEST(Connection, ARefusedMessageClosesWithoutAck) {
  ForwardServer server;
  server.on_loop([&] { server.receiver_.verdicts = {Verdict::kRefused}; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1")));
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.count(Metric::kClosedOverflow), 1u);
}

TEST(Connection, TicketsOfConnectionsThatHaveGoneAreIgnored) {
  ForwardServer server;
  server.on_loop([&] { server.hold_ = true; });
  {
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(message("1") + message("2")));
    ASSERT_TRUE(eventually([&] { return server.events().size() == 2; }));
    const linger reset{1, 0};
    ASSERT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  }
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kConnections) == 0; }));
  server.on_loop([&] {
    server.listener_->stored(server.receiver_.tickets.at(0));
    server.listener_->failed(server.receiver_.tickets.at(1));
    server.listener_->stored({999, 1});
  });
}

}  // namespace
}  // namespace millrace::input
