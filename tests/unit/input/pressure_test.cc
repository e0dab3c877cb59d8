// SPDX-License-Identifier: Apache-2.0
// Pauses, deadlines and limits of connections, over real sockets.

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/messages.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::hex;
using test::TcpClient;

const std::string kEntry = hex("92 05 81 a1 61 01");

TEST(Pressure, NotNowKeepsTheMessageAndStopsReading) {
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

TEST(Pressure, AKeptMessageIsUnpackedAgain) {
  ForwardServer server;
  server.on_loop([&] { server.receiver_.verdicts = {Verdict::kNotNow}; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(packed_message(kEntry, "c1")));
  ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == 1; }));
  server.on_loop([&] { server.listener_->resume(); });
  expect_reply(client, ack_of("c1"));
  EXPECT_EQ(server.events().size(), 1u);
}

TEST(Pressure, WhatWouldBeKeptAgainIsNotUnpacked) {
  for (const Verdict verdict : {Verdict::kNoMemory, Verdict::kNotNow}) {
    ForwardServer server;
    server.on_loop([&] {
      server.receiver_.verdicts = {verdict};
      server.receiver_.without_memory = true;
    });
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(message("1")));
    ASSERT_TRUE(eventually([&] { return server.count(Metric::kPausedConnections) == 1; }));
    for (size_t times = 1; times <= 3; ++times) {
      server.on_loop([&] { server.listener_->resume(); });
      ASSERT_TRUE(eventually(
          [&] { return server.ask<size_t>([&] { return server.receiver_.asked; }) == times; }));
    }
    EXPECT_EQ(server.ask<int>([&] { return server.receiver_.offered; }), 1);
    server.on_loop([&] {
      server.receiver_.without_memory = false;
      server.listener_->resume();
    });
    expect_reply(client, ack_of("1"));
  }
}

// One of them keeps what was unpacked of its message; the other is not unpacked again meanwhile.
TEST(Pressure, PackedMessagesInPartsHaveTheirTurnsOneByOne) {
  ForwardServer server;
  server.on_loop([&] {
    server.receiver_.verdicts = {Verdict::kInParts, Verdict::kInParts, Verdict::kInParts};
  });
  const auto offers = [&](int times) {
    return eventually(
        [&] { return server.ask<int>([&] { return server.receiver_.offered; }) == times; });
  };
  TcpClient first(server.port());
  ASSERT_TRUE(first.send(packed_message(kEntry, "c1")));
  ASSERT_TRUE(offers(1));
  TcpClient second(server.port());
  ASSERT_TRUE(second.send(packed_message(hex("92 06 81 a1 62 02"), "c2")));
  ASSERT_TRUE(offers(2));
  server.on_loop([&] { server.listener_->resume(); });
  ASSERT_TRUE(offers(3));  // the first, which is to be offered once more
  server.on_loop([&] { server.listener_->resume(); });
  // It is done, and the second has its turn without anybody's help.
  expect_reply(first, ack_of("c1"));
  expect_reply(second, ack_of("c2"));
  EXPECT_EQ(server.ask<int>([&] { return server.receiver_.offered; }), 5);
  ASSERT_EQ(server.events().size(), 2u);
  EXPECT_EQ(server.events()[0].time.seconds, 5);
  EXPECT_EQ(server.events()[1].time.seconds, 6);
}

// Nobody has to resume them: the next turn of the loop is enough.
TEST(Pressure, AMessageThatTakesSeveralTurnsIsOfferedInEachOfThem) {
  for (const bool packed : {false, true}) {
    ForwardServer server;
    server.on_loop([&] { server.receiver_.verdicts = {5, Verdict::kAgain}; });
    const auto send = [&](TcpClient& client, const std::string& entry, const std::string& chunk) {
      const std::string entries = packed ? test::gzip(hex(entry)) : hex(entry);
      return client.send(hex("93 a4 74 65 73 74") + test::bin32(entries) + hex("82 aa") +
                         "compressed" + hex("a4") + (packed ? "gzip" : "text") +
                         hex("a5 63 68 75 6e 6b a2") + chunk);
    };
    TcpClient first(server.port());
    TcpClient second(server.port());
    ASSERT_TRUE(send(first, "92 05 81 a1 61 01", "c1"));
    ASSERT_TRUE(send(second, "92 06 81 a1 62 02", "c2"));
    expect_reply(first, ack_of("c1"));
    expect_reply(second, ack_of("c2"));
    EXPECT_EQ(server.ask<int>([&] { return server.receiver_.offered; }), 7);
    EXPECT_EQ(server.events().size(), 2u);
  }
}

// Connections that are accepted from now on have room for a few acks only.
void shrink_send_buffers(uint16_t port) {
  for (int fd = 0; fd < 1024; ++fd) {
    sockaddr_in6 address{};
    socklen_t size = sizeof address;
    int listens = 0;
    socklen_t listens_size = sizeof listens;
    const int bytes = 4096;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
        address.sin6_port == htons(port) &&
        ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) == 0 && listens != 0) {
      EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
    }
  }
}

// It is stopped in the midst of its message then, and what was unpacked of it is not kept.
TEST(Pressure, WhoReadsNoAcksHoldsUpNobodysLargeMessage) {
  ForwardServer server;
  server.on_loop([&] {
    server.hold_ = true;
    server.receiver_.endless_tag = "endless";
  });
  shrink_send_buffers(server.port());
  TcpClient deaf(server.port());
  constexpr int kMessages = 800;
  const std::string one = hex("94 a4 74 65 73 74 05 81 a1 61 01 81 a5 63 68 75 6e 6b da 03 e8") +
                          std::string(1000, 'c');
  std::string all;
  for (int i = 0; i < kMessages; ++i) all += one;
  ASSERT_TRUE(deaf.send(all + packed_message(kEntry, "c1", "endless")));
  const auto offered = [&] { return server.ask<int>([&] { return server.receiver_.offered; }); };
  ASSERT_TRUE(eventually([&] { return offered() > kMessages + 5; }));
  server.on_loop([&] {
    for (const Ticket ticket : std::exchange(server.receiver_.tickets, {})) {
      server.listener_->stored(ticket);
    }
  });
  ASSERT_TRUE(eventually([&] {
    const int before = offered();
    for (int turns = 0; turns < 3; ++turns) offered();
    return offered() == before;
  }));
  server.on_loop([&] {
    server.hold_ = false;
    server.receiver_.verdicts = {Verdict::kAgain};
  });
  TcpClient good(server.port());
  ASSERT_TRUE(good.send(packed_message(kEntry, "c2")));
  expect_reply(good, ack_of("c2"));
}

TEST(Pressure, AMessageThatTakesTurnsForTooLongIsClosedByTheAckDeadline) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.ack_deadline_ms = 100; }));
  server.on_loop([&] { server.receiver_.endless_tag = "endless"; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(packed_message(kEntry, "c1", "endless")));
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(server.count(Metric::kClosedAckDeadline), 1u);
}

TEST(Pressure, KeptMessagesAreOfferedInFairOrder) {
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

TEST(Pressure, AFrameThatStopsIsClosedByItsTimeout) {
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

TEST(Pressure, WithinAPauseOfOursNoFrameTimesOut) {
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

TEST(Pressure, NoAckAfterTheDeadline) {
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

TEST(Pressure, AClientThatNeverReadsItsAcksIsPausedThenClosed) {
  // Long enough for a busy machine to let the client go on within its frame.
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.frame_timeout_ms = 1000; }));
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

// Sends a byte of a frame of 100 KB now and then, often enough for frame_timeout.
void drip(TcpClient& client, size_t bytes_each_10_ms, const std::function<bool()>& ends) {
  const std::string frame = big_message("c1", 100'000);
  for (size_t at = 0; !ends() && at + bytes_each_10_ms < frame.size(); at += bytes_each_10_ms) {
    if (!client.send(std::string_view(frame).substr(at, bytes_each_10_ms))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST(Pressure, AFrameThatOnlyDripsIsClosed) {
  ForwardServer server(options_with([](ListenerOptions& o) {
    o.source.frame_timeout_ms = 1000;
    o.source.frame_rate_min = 5000;
  }));
  TcpClient slow(server.port());
  drip(slow, 1, [&] { return server.count(Metric::kClosedFrameRate) == 1; });
  EXPECT_EQ(server.count(Metric::kClosedFrameRate), 1u);
  EXPECT_EQ(server.count(Metric::kClosedFrameTimeout), 0u);
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
  TcpClient good(server.port());
  ASSERT_TRUE(good.send(message("c2")));
  expect_reply(good, ack_of("c2"));
}

TEST(Pressure, WhoIsIdleForTooLongIsClosedWithoutNoise) {
  testing::internal::CaptureStderr();
  {
    ForwardServer server(options_with([](ListenerOptions& o) { o.source.idle_timeout_ms = 100; }));
    TcpClient silent(server.port());
    TcpClient agent(server.port());
    ASSERT_TRUE(agent.send(message("c1")));
    expect_reply(agent, ack_of("c1"));
    for (TcpClient* client : {&silent, &agent}) {
      EXPECT_EQ(client->receive_all(), "");
      EXPECT_EQ(client->state(), TcpClient::State::kEnded);
    }
    EXPECT_EQ(server.count(Metric::kClosedIdle), 2u);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// Who waits for its ack, or is within a message, is not idle.
TEST(Pressure, WhoWaitsIsNotIdle) {
  ForwardServer server(options_with([](ListenerOptions& o) { o.source.idle_timeout_ms = 50; }));
  server.on_loop([&] { server.hold_ = true; });
  TcpClient waits(server.port());
  TcpClient begun(server.port());
  ASSERT_TRUE(waits.send(message("c1")));
  ASSERT_TRUE(begun.send(message("c2").substr(0, 5)));
  EXPECT_TRUE(waits.silent_for(300));
  EXPECT_EQ(server.count(Metric::kClosedIdle), 0u);
  EXPECT_EQ(server.listener_->connections(), 2u);
}

}  // namespace
}  // namespace millrace::input
