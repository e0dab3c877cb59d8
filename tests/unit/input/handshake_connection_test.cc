// SPDX-License-Identifier: Apache-2.0
// The handshake over real sockets: what a client reads, what is stored, counted and closed.

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"
#include "tests/unit/input/handshakes.h"
#include "tests/unit/input/messages.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::hex;
using test::TcpClient;

ListenerOptions secured(const config::Security& security, uint64_t deadline_ms = 60'000) {
  return options_with([&](ListenerOptions& options) {
    options.source.security = security;
    options.gate.new_challenge = [] { return kChallenge; };
    options.source.security->handshake_timeout_ms = deadline_ms;
  });
}

// The first words of the server.
void expect_helo(TcpClient& client) {
  EXPECT_EQ(client.receive(512), helo(kChallenge)) << "in one segment";
}

// The answer to `sent` is this and nothing else, then FIN; nothing of it is stored.
void expect_refusal(const config::Security& security, const std::string& sent,
                    const std::string& reply, Metric metric) {
  ForwardServer server(secured(security));
  TcpClient client(server.port());
  expect_helo(client);
  ASSERT_TRUE(client.send(sent));
  EXPECT_EQ(client.receive_all(), reply);
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
  EXPECT_EQ(server.count(metric), 1u);
  EXPECT_EQ(server.count(Metric::kHandshakes), 0u);
  EXPECT_TRUE(server.events().empty());
  client.close();
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kConnections) == 0; }));
  EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
}

TEST(HandshakeConnection, HeloComesBeforeAnyByteOfTheClient) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  expect_helo(client);
  EXPECT_TRUE(client.silent_for(30)) << "nothing follows before a PING";
}

TEST(HandshakeConnection, EventsComeAfterTheHandshake) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  expect_helo(client);
  ASSERT_TRUE(client.send(ping(kPingDigest, "alice", kPasswordDigest)));
  EXPECT_EQ(client.receive(512), kPong);
  ASSERT_TRUE(client.send(message("c1")));
  expect_reply(client, ack_of("c1"));
  ASSERT_TRUE(client.send(message("c2")));
  expect_reply(client, ack_of("c2"));
  EXPECT_EQ(server.count(Metric::kHandshakes), 1u);
  const auto clients =
      server.ask<std::vector<std::string>>([&] { return server.receiver_.clients; });
  EXPECT_EQ(clients, (std::vector<std::string>{kHost, kHost}));
}

TEST(HandshakeConnection, ByteByByteIsTheSame) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  for (const char byte : ping(kPingDigest) + message("c1")) ASSERT_TRUE(client.send({&byte, 1}));
  expect_reply(client, helo(kChallenge) + kPong + ack_of("c1"));
}

TEST(HandshakeConnection, AnEventBehindThePingInOneSegment) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  expect_helo(client);
  ASSERT_TRUE(client.send(ping(kPingDigest) + message("c1")));
  expect_reply(client, kPong + ack_of("c1"));
  EXPECT_EQ(server.events().size(), 1u);
}

TEST(HandshakeConnection, AHalfClosedClientIsStillServed) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(ping(kPingDigest) + message("c1")));
  client.shut_down();
  EXPECT_EQ(client.receive_all(), helo(kChallenge) + kPong + ack_of("c1"));
  EXPECT_EQ(client.state(), TcpClient::State::kEnded);
}

TEST(HandshakeConnection, RefusalsAreReadWholeAndThenFin) {
  expect_refusal(security(), ping_with_key("wrong"), refusal("shared_key mismatch"),
                 Metric::kClosedSharedKey);
  expect_refusal(security_with_users(), ping_of_user("alice", "wrong"),
                 refusal("username/password mismatch"), Metric::kClosedUser);
  config::Security only = security();
  only.allow_anonymous_source = false;
  only.clients = {{.network = "10.0.0.0/8"}};
  expect_refusal(only, ping(kPingDigest), refusal("anonymous source host '127.0.0.1' denied"),
                 Metric::kClosedAnonymous);
}

TEST(HandshakeConnection, WhatIsNoPingIsRefusedAndNotStored) {
  for (const std::string& sent :
       {"\x95" + ping(kPingDigest).substr(1), message("c1"), hex("c0"), hex("05"), hex("81 01 02"),
        hex("c1"), hex("47"), hex("50"), hex("16"), hex("81"),
        std::string(R"(["t",1700000000,{"m":1}])"),
        // What follows a refusal is not stored either.
        hex("c0") + ping(kPingDigest) + message("c1"), big_message("c1", 100'000)}) {
    expect_refusal(security(), sent, refusal("invalid ping message"), Metric::kClosedInvalidPing);
  }
}

TEST(HandshakeConnection, OtherProtocolsGetNoAnswer) {
  expect_refusal(security(), "GET / HTTP/1.1\r\n\r\n", "", Metric::kClosedForeign);
  expect_refusal(security(), hex("16 03 01 00 10 01 00 00 0c"), "", Metric::kClosedForeign);
}

TEST(HandshakeConnection, JsonIsNotTakenAfterItEither) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(ping(kPingDigest) + R"(["t",1700000000,{"m":1}])"));
  EXPECT_EQ(client.receive_all(), helo(kChallenge) + kPong);
  EXPECT_TRUE(server.events().empty());
}

TEST(HandshakeConnection, WhoDoesNotAnswerIsClosed) {
  ForwardServer server(secured(security(), 50));
  TcpClient silent(server.port());
  TcpClient slow(server.port());
  ASSERT_TRUE(slow.send(ping(kPingDigest).substr(0, 10)));
  for (TcpClient* client : {&silent, &slow}) {
    EXPECT_EQ(client->receive_all(), helo(kChallenge));
    EXPECT_EQ(client->state(), TcpClient::State::kEnded);
    client->close();
  }
  EXPECT_EQ(server.count(Metric::kClosedHandshakeTimeout), 2u);
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kConnections) == 0; }));
}

TEST(HandshakeConnection, TheDeadlineIsOverWithTheHandshake) {
  ForwardServer server(secured(security(), 1000));
  TcpClient quick(server.port());
  ASSERT_TRUE(quick.send(ping(kPingDigest)));
  EXPECT_EQ(quick.receive_exactly(helo(kChallenge).size() + kPong.size()),
            helo(kChallenge) + kPong);
  TcpClient silent(server.port());
  EXPECT_EQ(silent.receive_all(), helo(kChallenge));
  ASSERT_TRUE(quick.send(message("c1")));
  expect_reply(quick, ack_of("c1"));
}

TEST(HandshakeConnection, HeartbeatsMakeNoNoise) {
  testing::internal::CaptureStderr();
  {
    ForwardServer server(secured(security()));
    for (int i = 0; i < 50; ++i) {
      TcpClient client(server.port());
      ASSERT_TRUE(client.send(ping(kPingDigest)));
      EXPECT_EQ(client.receive_exactly(helo(kChallenge).size() + kPong.size()),
                helo(kChallenge) + kPong);
      client.close();
      TcpClient knocks(server.port());
    }
    EXPECT_TRUE(eventually([&] {
      return server.count(Metric::kConnectionsTotal) == 100 &&
             server.count(Metric::kConnections) == 0;
    }));
    EXPECT_EQ(server.count(Metric::kHandshakes), 50u);
    EXPECT_EQ(server.count(Metric::kReceiveBytes), 0u);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(HandshakeConnection, TheLogNamesTheClientAndNoSecret) {
  testing::internal::CaptureStderr();
  {
    ForwardServer server(secured(security_with_users()));
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(ping_of_user("alice", "HUSH")));
    EXPECT_EQ(client.receive_all(), helo(kChallenge) + refusal("username/password mismatch"));
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("wrong user name or password"), std::string::npos) << log;
  EXPECT_NE(log.find(" peer=\"127.0.0.1\" client=\"client.example\"\n"), std::string::npos) << log;
  for (const std::string& secret :
       {std::string("HUSH"), std::string("wonder"), std::string("s3cr3t"), kPingDigest, kSalt}) {
    EXPECT_EQ(log.find(secret), std::string::npos) << log;
  }
}

TEST(HandshakeConnection, EachConnectionHasAChallengeOfItsOwn) {
  ForwardServer server(
      options_with([](ListenerOptions& options) { options.source.security = security(); }));
  TcpClient one(server.port());
  TcpClient other(server.port());
  const std::string first = one.receive(512);
  const std::string second = other.receive(512);
  EXPECT_EQ(first.size(), helo(kChallenge).size());
  EXPECT_EQ(second.size(), helo(kChallenge).size());
  EXPECT_NE(first, second);
}

// Tries wrong keys until one has to wait; those connections.
std::vector<std::unique_ptr<TcpClient>> guess_until_delayed(ForwardServer& server) {
  std::vector<std::unique_ptr<TcpClient>> clients;
  while (server.count(Metric::kHandshakesDelayed) == 0 && clients.size() < 1000) {
    clients.push_back(std::make_unique<TcpClient>(server.port()));
    EXPECT_TRUE(clients.back()->send(ping_with_key("wrong")));
    EXPECT_TRUE(eventually([&] {
      return server.count(Metric::kHandshakesDelayed) + server.count(Metric::kClosedSharedKey) ==
             clients.size();
    }));
  }
  return clients;
}

TEST(HandshakeConnection, AfterManyWrongKeysThereAreTurns) {
  ForwardServer server(secured(security(), 2500));
  const auto guesses = guess_until_delayed(server);
  EXPECT_GT(guesses.size(), SourceLimits::kFreeGuesses);
  EXPECT_EQ(guesses[0]->receive_all(), helo(kChallenge) + refusal("shared_key mismatch"));
  // Right ones wait as well, or are dropped when their turn would come too late.
  std::vector<std::unique_ptr<TcpClient>> good;
  for (size_t i = 0; i < 20; ++i) {
    good.push_back(std::make_unique<TcpClient>(server.port()));
    ASSERT_TRUE(good[i]->send(ping(kPingDigest) + message("c1")));
  }
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kClosedGuesses) >= 10; }));
  EXPECT_EQ(good[19]->receive_all(), helo(kChallenge));
  EXPECT_EQ(good[19]->state(), TcpClient::State::kEnded);
  EXPECT_EQ(good[0]->receive_exactly(helo(kChallenge).size() + kPong.size()),
            helo(kChallenge) + kPong);
  expect_reply(*good[0], ack_of("c1"));
  EXPECT_EQ(server.count(Metric::kClosedHandshakeTimeout), 0u);
}

TEST(HandshakeConnection, WhoWaitsForItsTurnIsNotRead) {
  ForwardServer server(secured(security(), 5000));
  const auto guesses = guess_until_delayed(server);
  TcpClient client(server.port());
  std::thread sender(
      [&] { EXPECT_TRUE(client.send(ping(kPingDigest) + big_message("c1", 1 << 20))); });
  EXPECT_TRUE(eventually([&] { return server.count(Metric::kHandshakesDelayed) == 2; }));
  EXPECT_LE(server.count(Metric::kReceiveBytes), 2 * Handshake::kPingBytesMax);
  EXPECT_EQ(client.receive_exactly(helo(kChallenge).size() + kPong.size()),
            helo(kChallenge) + kPong);
  expect_reply(client, ack_of("c1"));
  sender.join();
}

TEST(HandshakeConnection, AStopEndsWhoWaitsForItsTurn) {
  ForwardServer server(secured(security(), 60'000));
  const auto guesses = guess_until_delayed(server);
  std::promise<void> ended;
  server.on_loop([&] { server.listener_->close_all(10'000, [&] { ended.set_value(); }); });
  EXPECT_EQ(guesses.back()->receive_all().substr(0, helo(kChallenge).size()), helo(kChallenge));
  guesses.back()->close();
  EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

// An agent that has proved who it is stays, though it has sent no event yet.
TEST(HandshakeConnection, WhoHasNotProvedItselfMakesRoom) {
  ListenerOptions options = secured(security());
  options.source.connection_limit = 2;
  ForwardServer server(options);
  TcpClient agent(server.port());
  ASSERT_TRUE(agent.send(ping(kPingDigest)));
  EXPECT_EQ(agent.receive_exactly(helo(kChallenge).size() + kPong.size()),
            helo(kChallenge) + kPong);
  TcpClient stranger(server.port());
  expect_helo(stranger);
  TcpClient next(server.port());
  ASSERT_TRUE(next.send(ping(kPingDigest) + message("c1")));
  expect_reply(next, helo(kChallenge) + kPong + ack_of("c1"));
  EXPECT_EQ(stranger.receive_all(), "");
  EXPECT_EQ(TcpClient(server.port()).receive_all(), "") << "nobody is left who could go";
  ASSERT_TRUE(agent.send(message("c2")));
  expect_reply(agent, ack_of("c2"));
  EXPECT_EQ(server.count(Metric::kClosedMadeRoom), 1u);
  EXPECT_EQ(server.count(Metric::kConnectionsRefused), 1u);
}

TEST(HandshakeConnection, AStopEndsWhoHasNotAnswered) {
  ForwardServer server(secured(security()));
  TcpClient client(server.port());
  expect_helo(client);
  std::promise<void> ended;
  server.on_loop([&] { server.listener_->close_all(10'000, [&] { ended.set_value(); }); });
  EXPECT_EQ(client.receive_all(), "");
  client.close();
  EXPECT_EQ(ended.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST(HandshakeConnection, AnUnknownHostPreventsTheStart) {
  event::Loop loop;
  metrics::Registry registry;
  FakeReceiver receiver;
  ListenerOptions options = secured(security());
  options.source.security->clients = {{.host = "edge.example"}};
  options.host_names.addresses_of = [](const std::string&) -> Result<std::vector<IpAddress>> {
    return fail(ErrorKind::kUnreachable, "no such host");
  };
  const auto listener = Listener::open(loop, options, receiver, registry.make_cells(""));
  ASSERT_FALSE(listener.has_value());
  EXPECT_EQ(listener.error().message, "no such host");
}

}  // namespace
}  // namespace millrace::input
