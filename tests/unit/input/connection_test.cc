// SPDX-License-Identifier: Apache-2.0
// Life of connections: order of acks, pauses, limits, ends. Over real sockets.

#include "input/forward/connection.h"

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::be32;
using test::hex;
using test::TcpClient;

const std::string kRecord = hex("81 a1 61 01");

std::string ack_of(const std::string& chunk) {
  return hex("81 a3 61 63 6b") + static_cast<char>(0xa0 + chunk.size()) + chunk;
}

void expect_reply(TcpClient& client, const std::string& expected) {
  EXPECT_EQ(client.receive_exactly(expected.size()), expected);
  EXPECT_EQ(client.state(), TcpClient::State::kOpen);
}

// [tag, 5, record, {"chunk": chunk}]
std::string message(const std::string& chunk, const std::string& record = kRecord) {
  return hex("94 a4 74 65 73 74 05") + record + hex("81 a5 63 68 75 6e 6b") +
         static_cast<char>(0xa0 + chunk.size()) + chunk;
}

std::string big_message(const std::string& chunk, size_t bytes) {
  return message(chunk,
                 hex("81 a1 61 c6") + be32(static_cast<uint32_t>(bytes)) + std::string(bytes, 'x'));
}

ListenerOptions options_with(const std::function<void(ListenerOptions&)>& change) {
  ListenerOptions options{.source = ForwardServer::local_source()};
  change(options);
  return options;
}

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

TEST(Connection, NotNowKeepsTheMessageAndStopsReading) {
  ForwardServer server;
  server.on_loop([&] { server.receiver_.full = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("1") + message("2")));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == 1; }));
  EXPECT_EQ(server.ask<int>([&] { return server.receiver_.offered; }), 1);
  server.on_loop([&] { server.listener_->resume(); });
  ASSERT_TRUE(
      eventually([&] { return server.ask<int>([&] { return server.receiver_.offered; }) == 2; }));
  EXPECT_TRUE(client.silent_for(30));
  server.on_loop([&] {
    server.receiver_.full = false;
    server.listener_->resume();
  });
  expect_reply(client, ack_of("1") + ack_of("2"));
  ASSERT_TRUE(client.send(message("3")));
  expect_reply(client, ack_of("3"));
  EXPECT_EQ(server.count(Metric::kPausedConnections), 0u);
}

TEST(Connection, AKeptMessageIsUnpackedAgain) {
  ForwardServer server;
  server.on_loop([&] { server.receiver_.verdicts = {Verdict::kNotNow}; });
  TcpClient client(server.port());
  const std::string packed = test::gzip(hex("92 05 81 a1 61 01"));
  ASSERT_TRUE(client.send(hex("93 a4 74 65 73 74") + test::bin32(packed) + hex("82 aa") +
                          "compressed" + hex("a4") + "gzip" + hex("a5 63 68 75 6e 6b a2 63 31")));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == 1; }));
  server.on_loop([&] { server.listener_->resume(); });
  expect_reply(client, ack_of("c1"));
  EXPECT_EQ(server.events().size(), 1u);
}

TEST(Connection, KeptMessagesAreOfferedInFairOrder) {
  ForwardServer server;
  server.on_loop([&] { server.receiver_.full = true; });
  constexpr int kClients = 50;
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(clients.back()->send(message(std::to_string(i))));
    ASSERT_TRUE(eventually(
        [&] { return server.count(Metric::kPausedConnections) == static_cast<uint64_t>(i) + 1; }));
  }
  // Everyone is asked once, although most refusals put the rest off to later turns.
  server.on_loop([&] { server.listener_->resume(); });
  ASSERT_TRUE(eventually(
      [&] { return server.ask<int>([&] { return server.receiver_.offered; }) == 2 * kClients; }));
  server.on_loop([&] {
    server.receiver_.full = false;
    server.listener_->resume();
  });
  for (int i = 0; i < kClients; ++i) {
    EXPECT_EQ(clients[static_cast<size_t>(i)]->receive_exactly(ack_of(std::to_string(i)).size()),
              ack_of(std::to_string(i)));
  }
  std::vector<std::string> order;
  for (int i = 0; i < kClients; ++i) order.push_back(std::to_string(i));
  EXPECT_EQ(server.ask<std::vector<std::string>>([&] { return server.receiver_.chunks; }), order);
}

TEST(Connection, AFrameThatStopsIsClosedByItsTimeout) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.frame_timeout_ms = 50; }));
  TcpClient idle(server.port());
  TcpClient stuck(server.port());
  ASSERT_TRUE(stuck.send(message("c1").substr(0, 10)));
  EXPECT_EQ(stuck.receive_all(), "");
  EXPECT_EQ(stuck.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.count(Metric::kClosedFrameTimeout), 1u);
  // Between frames there is no limit.
  ASSERT_TRUE(idle.send(message("c2")));
  expect_reply(idle, ack_of("c2"));
}

TEST(Connection, WithinAPauseOfOursNoFrameTimesOut) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.frame_timeout_ms = 40; }));
  server.on_loop([&] { server.receiver_.full = true; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(message("c1") + message("c2").substr(0, 5)));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == 1; }));
  EXPECT_TRUE(client.silent_for(150));
  EXPECT_EQ(server.count(Metric::kClosedFrameTimeout), 0u);
  server.on_loop([&] {
    server.receiver_.full = false;
    server.listener_->resume();
  });
  ASSERT_TRUE(client.send(message("c2").substr(5)));
  expect_reply(client, ack_of("c1") + ack_of("c2"));
}

TEST(Connection, NoAckAfterTheDeadline) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.ack_deadline_ms = 50; }));
  server.on_loop([&] { server.hold_ = true; });
  TcpClient taken(server.port());
  ASSERT_TRUE(taken.send(message("c1")));
  EXPECT_EQ(taken.receive_all(), "");
  EXPECT_EQ(taken.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.count(Metric::kClosedAckDeadline), 1u);
  server.on_loop([&] {
    server.listener_->stored(server.receiver_.tickets.at(0));
    server.receiver_.full = true;
  });
  TcpClient kept(server.port());
  ASSERT_TRUE(kept.send(message("c2")));
  EXPECT_EQ(kept.receive_all(), "");
  EXPECT_EQ(server.count(Metric::kClosedAckDeadline), 2u);
  // The kept message has gone with its connection.
  server.on_loop([&] {
    server.receiver_.full = false;
    server.listener_->resume();
  });
  EXPECT_EQ(server.events().size(), 1u);
}

TEST(Connection, AClientThatNeverReadsItsAcksIsPausedThenClosed) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.frame_timeout_ms = 200; }));
  TcpClient client(server.port());
  const int small = 4096;
  ASSERT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  // The longest chunk values make the longest acks.
  const std::string one =
      hex("94 a4 74 65 73 74 05 80 81 a5 63 68 75 6e 6b da 04 00") + std::string(1024, 'c');
  std::string batch;
  for (int i = 0; i < 500; ++i) batch += one;
  std::thread sender([&] {
    while (client.send(batch)) {
    }
  });
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kClosedAckDeadline) == 1; }));
  sender.join();
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kConnections) == 0; }));
}

TEST(Connection, ConnectionsOverTheLimitAreRefused) {
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

// More frames under way than the limit allows in memory: all arrive in the end, one after the
// other.
TEST(Connection, ReceiveMemoryIsBounded) {
  constexpr size_t kFrame = size_t{1} << 20;
  ForwardServer server(
      options_with([](ListenerOptions& o) { o.source.receive_memory_limit = 2 * kFrame; }));
  constexpr size_t kClients = 12;
  std::vector<std::thread> threads;
  std::atomic<bool> done{false};
  uint64_t most = 0;
  std::thread watcher([&] {
    while (!done) most = std::max(most, server.count(Metric::kReceiveBytes));
  });
  const std::string frame = big_message("c1", kFrame);
  std::vector<std::unique_ptr<TcpClient>> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    // The first half arrives before any is finished.
    ASSERT_TRUE(clients.back()->send(std::string_view(frame).substr(0, kFrame / 4)));
  }
  for (size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_TRUE(clients[i]->send(std::string_view(frame).substr(kFrame / 4)));
      expect_reply(*clients[i], ack_of("c1"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  EXPECT_EQ(server.events().size(), kClients);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
  // The limit, one favoured frame, and one read of everyone who was within a frame.
  EXPECT_LE(most, 2 * kFrame + 2 * kFrame + kClients * (size_t{300} << 10));
}

// Whoever is favoured while the memory is short must finish its frame, not only drip.
TEST(Connection, AStalledFrameDoesNotHoldUpTheOthersForEver) {
  ForwardServer server(options_with([](ListenerOptions& o) {
    o.source.receive_memory_limit = 100'000;
    o.source.frame_timeout_ms = 100;
  }));
  TcpClient stalled(server.port());
  const std::string frame = big_message("c1", 1 << 20);
  ASSERT_TRUE(stalled.send(std::string_view(frame).substr(0, 500'000)));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kReceiveBytes) > 100'000; }));
  TcpClient good(server.port());
  std::thread sender([&] { EXPECT_TRUE(good.send(frame)); });
  std::atomic<bool> stop{false};
  std::thread dripper([&] {
    for (size_t at = 500'000; !stop && stalled.send(std::string_view(frame).substr(at, 1)); ++at) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  expect_reply(good, ack_of("c1"));
  stop = true;
  sender.join();
  dripper.join();
  EXPECT_EQ(server.count(Metric::kClosedFrameTimeout), 1u);
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
