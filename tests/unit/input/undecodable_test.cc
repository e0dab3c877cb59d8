// SPDX-License-Identifier: Apache-2.0
// Messages that no attempt will decode: refused as long as the receiver says so, then answered like
// any other.

#include <gtest/gtest.h>

#include "tests/unit/input/forward_server.h"

namespace millrace::input {
namespace {

using metrics::Metric;
using test::hex;
using test::TcpClient;

const std::string kTagAndBin = hex("93 a4 74 65 73 74 c4");
const std::string kChunk = hex("a5 63 68 75 6e 6b a2 63 31");
const std::string kAck = hex("81 a3 61 63 6b a2 63 31");
const std::string kGood = hex("94 a4 74 65 73 74 01 80 81") + kChunk;

std::string with_compression(const std::string& name) {
  return kTagAndBin + hex("02 01 02 82 aa") + "compressed" + static_cast<char>(0xa0 + name.size()) +
         name + kChunk;
}

// Every way in which a message with a readable chunk can fail.
const std::vector<std::string> kLost = {with_compression("gzip"), with_compression("zstd"),
                                        with_compression("lz4"),
                                        kTagAndBin + hex("03 92 01 c1 81") + kChunk};

std::vector<std::string> given_up(ForwardServer& server) {
  return server.ask<std::vector<std::string>>([&] { return server.receiver_.given_up; });
}

TEST(Undecodable, IsKeptWhenTheReceiverTakesIt) {
  for (const std::string& frame : kLost) {
    ForwardServer server;
    server.on_loop([&] { server.receiver_.when_given_up = Verdict::kTaken; });
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(frame + kGood));
    EXPECT_EQ(client.receive_exactly(2 * kAck.size()), kAck + kAck);
    EXPECT_EQ(given_up(server), std::vector<std::string>{frame});
    EXPECT_EQ(server.events().size(), 1u);
    EXPECT_EQ(server.count(Metric::kAcks), 2u);
  }
}

TEST(Undecodable, TheAckWaitsUntilItIsStored) {
  ForwardServer server;
  server.on_loop([&] {
    server.receiver_.when_given_up = Verdict::kTaken;
    server.hold_ = true;
  });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(kLost[0]));
  ASSERT_TRUE(eventually(
      [&] { return server.ask<bool>([&] { return !server.receiver_.tickets.empty(); }); }));
  EXPECT_TRUE(client.silent_for(20));
  server.on_loop([&] { server.listener_->stored(server.receiver_.tickets.front()); });
  EXPECT_EQ(client.receive_exactly(kAck.size()), kAck);
}

TEST(Undecodable, ClosesWhenTheReceiverDoesNot) {
  for (const std::string& frame : kLost) {
    ForwardServer server;
    TcpClient client(server.port());
    ASSERT_TRUE(client.send(frame + kGood));
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_EQ(client.state(), TcpClient::State::kEnded);
    EXPECT_EQ(given_up(server).size(), 1u);
    EXPECT_EQ(server.count(Metric::kClosedInflate) + server.count(Metric::kClosedCompression) +
                  server.count(Metric::kClosedMalformed),
              1u);
    EXPECT_TRUE(server.events().empty());
  }
}

TEST(Undecodable, WaitsForRoomLikeAnyOther) {
  ForwardServer server;
  server.on_loop([&] { server.receiver_.when_given_up = Verdict::kNotNow; });
  TcpClient client(server.port());
  ASSERT_TRUE(client.send(kLost[1]));
  ASSERT_TRUE(eventually([&] { return !given_up(server).empty(); }));
  server.on_loop([&] {
    server.receiver_.when_given_up = Verdict::kTaken;
    server.listener_->resume();
  });
  EXPECT_EQ(client.receive_exactly(kAck.size()), kAck);
}

TEST(Undecodable, IsNotOfferedWithoutAChunkOrWhenTheSourceRefuses) {
  ListenerOptions options{.source = ForwardServer::local_source()};
  options.source.undecodable = config::Undecodable::kRefuse;
  ForwardServer refusing(std::move(options));
  ForwardServer keeping;
  for (ForwardServer* server : {&refusing, &keeping}) {
    server->on_loop([&] { server->receiver_.when_given_up = Verdict::kTaken; });
    TcpClient client(server->port());
    ASSERT_TRUE(client.send(server == &refusing ? kLost[0] : kTagAndBin + hex("03 92 01 c1 80")));
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_TRUE(given_up(*server).empty());
  }
}

}  // namespace
}  // namespace millrace::input
