// SPDX-License-Identifier: Apache-2.0
// HELO, PING and PONG as bytes, and the verdict on a PING, without sockets.

#include "input/forward/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "input/forward/host_name.h"
#include "tests/unit/input/handshakes.h"

namespace millrace::input {
namespace {

using Kind = Handshake::Step::Kind;
using test::hex;

HostNames no_names() {
  return {[](const std::string& host) -> Result<std::vector<IpAddress>> {
            return fail(ErrorKind::kUnreachable, "host \"" + host + "\" has no address");
          },
          [] { return std::string("machine.example"); }};
}

std::unique_ptr<Authenticator> made(const config::Security& security) {
  auto out = Authenticator::make(security, no_names());
  EXPECT_TRUE(out.has_value()) << out.error().message;
  return std::move(*out);
}

Handshake::Step step_of(const config::Security& security, std::string_view bytes,
                        std::string_view peer = "127.0.0.1") {
  const auto authenticator = made(security);
  Handshake handshake(*authenticator, kChallenge);
  return handshake.take(bytes, peer);
}

void expect_refused(const Handshake::Step& step, CloseReason reason, const std::string& text) {
  EXPECT_EQ(step.kind, Kind::kRefused);
  EXPECT_EQ(step.reason, reason);
  EXPECT_EQ(step.pong, refusal(text));
}

TEST(HandshakeMessage, HeloIsThatOfTheReference) {
  EXPECT_EQ(
      helo(kChallenge),
      hex("92 a4 48 45 4c 4f 83 a5 6e 6f 6e 63 65 c4 10 10 11 12 13 14 15 16 17 18 19 1a 1b 1c "
          "1d 1e 1f a4 61 75 74 68 c4 10 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f a9 "
          "6b 65 65 70 61 6c 69 76 65 c3"));
}

TEST(HandshakeMessage, DigestsAreThoseOfTheReference) {
  EXPECT_EQ(shared_key_digest(kSalt, kHost, kChallenge, "s3cr3t"), kPingDigest);
  EXPECT_EQ(shared_key_digest(kSalt, kServer, kChallenge, "s3cr3t"), kPongDigest);
  EXPECT_EQ(shared_key_digest(kSalt, kHost, kChallenge, ""), kEmptyKeyPingDigest);
  EXPECT_EQ(password_digest(kChallenge, "alice", "wonder"), kPasswordDigest);
}

TEST(HandshakeMessage, PingAndPongHaveTheSizesOfTheReference) {
  EXPECT_EQ(ping(kPingDigest, "alice", kPasswordDigest).size(), 321u);
  EXPECT_EQ(pong_accepted(kServer, kPongDigest), kPong);
  EXPECT_EQ(kPong.size(), 153u);
  EXPECT_EQ(pong_refused("shared_key mismatch"),
            hex("95 a4 50 4f 4e 47 c2 b3 73 68 61 72 65 64 5f 6b 65 79 20 6d 69 73 6d 61 74 63 68 "
                "a0 a0"));
  EXPECT_EQ(pong_refused("username/password mismatch"),
            hex("95 a4 50 4f 4e 47 c2 ba 75 73 65 72 6e 61 6d 65 2f 70 61 73 73 77 6f 72 64 20 6d "
                "69 73 6d 61 74 63 68 a0 a0"));
}

TEST(HandshakeMessage, TheLongestPongFitsIntoOneReadOfFluentd) {
  const std::string longest = pong_accepted(std::string(253, 'h'), kPongDigest);
  EXPECT_LT(longest.size(), 512u);
  const std::string expected =
      "\x95" + str("PONG") + "\xc3\xa0\xd9\xfd" + std::string(253, 'h') + str(kPongDigest);
  EXPECT_EQ(longest, expected);
}

TEST(HandshakeMessage, ChallengesAreNeverTheSame) {
  const Challenge one = random_challenge();
  const Challenge other = random_challenge();
  EXPECT_NE(one.nonce, other.nonce);
  EXPECT_NE(one.salt, other.salt);
  EXPECT_NE(one.nonce, one.salt);
}

TEST(HandshakeMessage, PingIsReadFromStrAndBin) {
  const std::string mixed = "\x96" + bin("PING") + bin(kHost) + bin("\xff\x00 salt") +
                            hex("da 00 01 64") + hex("db 00 00 00 01 75") + hex("c6 00 00 00 00");
  const auto read = read_ping(mixed);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->hostname, kHost);
  EXPECT_EQ(read->digest, "d");
  EXPECT_EQ(read->username, "u");
  EXPECT_EQ(read->password_digest, "");
}

TEST(HandshakeMessage, NothingElseIsAPing) {
  const std::string good = ping(kPingDigest);
  ASSERT_TRUE(read_ping(good).has_value());
  const std::string tail = good.substr(6);
  for (const std::string& frame :
       {std::string(), hex("c0"), hex("05"), hex("80"), hex("90"), hex("96"),
        "\x95" + str("PING") + hex("a0 a0 a0 a0"), "\x97" + str("PING") + tail + hex("a0"),
        "\x96" + str("PONG") + tail, "\x96" + str("ping") + tail, "\x86" + good.substr(1),
        "\x96" + str("PING") + hex("c0") + hex("a0 a0 a0 a0"),
        "\x96" + str("PING") + hex("a0 05 a0 a0 a0"), "\x96" + str("PING") + hex("a0 a0 a0 a0 90"),
        good.substr(0, good.size() - 1)}) {
    EXPECT_FALSE(read_ping(frame).has_value()) << frame;
  }
}

TEST(Handshake, TheRightKeyIsAccepted) {
  const Handshake::Step step = step_of(security(), ping(kPingDigest) + "event");
  EXPECT_EQ(step.kind, Kind::kEstablished);
  EXPECT_EQ(step.pong, kPong);
  EXPECT_EQ(step.size, ping(kPingDigest).size());
  EXPECT_EQ(step.hostname, kHost);
}

TEST(Handshake, TheSaltIsAnyBytes) {
  const std::string salt = hex("ff 00 80 c1 fe 01 02 03 04 05 06 07 08 09 0a 0b");
  const std::string digest = shared_key_digest(salt, kHost, kChallenge, "s3cr3t");
  const Handshake::Step step = step_of(security(), ping(digest, "", "", salt));
  EXPECT_EQ(step.kind, Kind::kEstablished);
  EXPECT_EQ(step.pong,
            pong_accepted(kServer, shared_key_digest(salt, kServer, kChallenge, "s3cr3t")));
}

TEST(Handshake, AnEmptyKeyIsAKey) {
  config::Security empty = security();
  empty.shared_key = "";
  EXPECT_EQ(step_of(empty, ping(kEmptyKeyPingDigest)).kind, Kind::kEstablished);
  expect_refused(step_of(empty, ping(kPingDigest)), CloseReason::kSharedKeyMismatch,
                 "shared_key mismatch");
}

TEST(Handshake, AnotherDigestIsRefused) {
  std::string upper = kPingDigest;
  for (char& c : upper) c = static_cast<char>(toupper(c));
  for (const std::string& digest :
       {upper, std::string(), kPingDigest.substr(1), kPingDigest + "0", kPasswordDigest}) {
    expect_refused(step_of(security(), ping(digest)), CloseReason::kSharedKeyMismatch,
                   "shared_key mismatch");
  }
}

TEST(Handshake, WhatIsNoPingIsToldSo) {
  for (const std::string& bytes :
       {hex("c0"), hex("05"), hex("81 01 02"), hex("c1"), hex("90"), std::string("["),
        // Integers that an HTTP or a TLS client begins with, and values that never end.
        std::string("G"), std::string("P"), std::string("GE"), hex("16"), hex("81"), hex("a5 50"),
        hex("c6 00"), hex("df"), "\x95" + ping(kPingDigest).substr(1),
        hex("93 a4 74 65 73 74 05 80"),
        // A PING that fills all the room there is, with half a header at its end.
        hex("93 a4 50 49 4e 47 da 0f f6") + std::string(4086, 'n') + hex("c4"),
        // More than any PING, told by the header.
        hex("92 a4 74 65 73 74 c6 00 00 10 00"), hex("dd ff ff ff ff")}) {
    expect_refused(step_of(security(), bytes), CloseReason::kInvalidPing, "invalid ping message");
  }
}

TEST(Handshake, WaitsForTheWholePing) {
  const auto authenticator = made(security());
  Handshake handshake(*authenticator, kChallenge);
  const std::string whole = ping(kPingDigest);
  for (size_t size = 1; size < whole.size(); ++size) {
    ASSERT_EQ(handshake.take(whole.substr(0, size), "::1").kind, Kind::kNeedMore) << size;
  }
  EXPECT_EQ(handshake.take(whole, "::1").kind, Kind::kEstablished);
}

TEST(Handshake, OtherProtocolsAreNamed) {
  const Handshake::Step step = step_of(security(), "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(step.kind, Kind::kRefused);
  EXPECT_EQ(step.reason, CloseReason::kForeign);
  EXPECT_STREQ(step.protocol, "HTTP");
  EXPECT_EQ(step.pong, "");
}

TEST(Handshake, UsersNeedTheirPassword) {
  const config::Security asks = security_with_users();
  EXPECT_EQ(step_of(asks, ping(kPingDigest, "alice", kPasswordDigest)).kind, Kind::kEstablished);
  EXPECT_EQ(step_of(asks, ping_of_user("bob", "builder")).kind, Kind::kEstablished);
  for (const std::string& wrong :
       {ping_of_user("alice", "builder"), ping_of_user("alice", ""), ping_of_user("eve", "wonder"),
        ping_of_user("", ""), ping(kPingDigest, "alice", ""),
        ping(kPingDigest, "bob", kPasswordDigest), ping(kPingDigest)}) {
    expect_refused(step_of(asks, wrong), CloseReason::kUserMismatch, "username/password mismatch");
  }
  // The key comes first.
  expect_refused(step_of(asks, ping("0", "alice", kPasswordDigest)),
                 CloseReason::kSharedKeyMismatch, "shared_key mismatch");
}

TEST(Handshake, NobodyIsAskedForAUserUnlessUserAuthIsOn) {
  config::Security silent = security_with_users();
  silent.user_auth = false;
  EXPECT_EQ(step_of(silent, ping_of_user("eve", "wrong")).kind, Kind::kEstablished);
}

TEST(Handshake, AUserMayHaveTwoPasswords) {
  config::Security asks = security_with_users();
  asks.users.push_back({"alice", "new"});
  EXPECT_EQ(step_of(asks, ping_of_user("alice", "wonder")).kind, Kind::kEstablished);
  EXPECT_EQ(step_of(asks, ping_of_user("alice", "new")).kind, Kind::kEstablished);
}

TEST(Handshake, StrangersAreRefusedWhereOnlyClientsMayConnect) {
  config::Security only = security();
  only.allow_anonymous_source = false;
  only.clients = {{.network = "10.0.0.0/8"}};
  expect_refused(step_of(only, ping(kPingDigest)), CloseReason::kAnonymousSource,
                 "anonymous source host '127.0.0.1' denied");
  EXPECT_EQ(step_of(only, ping(kPingDigest), "10.1.2.3").kind, Kind::kEstablished);
  expect_refused(step_of(only, ping(kPingDigest), "unknown"), CloseReason::kAnonymousSource,
                 "anonymous source host 'unknown' denied");
  // Only a PING is worth a look at the address.
  expect_refused(step_of(only, hex("c0")), CloseReason::kInvalidPing, "invalid ping message");
}

TEST(Handshake, AClientsOwnKeyCountsAlone) {
  config::Security keys = security();
  keys.clients = {{.network = "127.0.0.0/8", .shared_key = "0ther"}};
  EXPECT_EQ(step_of(keys, ping_with_key("0ther")).kind, Kind::kEstablished);
  EXPECT_EQ(step_of(keys, ping_with_key("0ther")).pong,
            pong_accepted(kServer, shared_key_digest(kSalt, kServer, kChallenge, "0ther")));
  expect_refused(step_of(keys, ping_with_key("s3cr3t")), CloseReason::kSharedKeyMismatch,
                 "shared_key mismatch");
  EXPECT_EQ(step_of(keys, ping_with_key("s3cr3t"), "10.0.0.1").kind, Kind::kEstablished);
  expect_refused(step_of(keys, ping_with_key("0ther"), "10.0.0.1"), CloseReason::kSharedKeyMismatch,
                 "shared_key mismatch");
}

TEST(Handshake, TheFirstClientThatFitsCounts) {
  config::Security keys = security();
  keys.clients = {{.network = "127.0.0.1", .shared_key = "first"},
                  {.network = "127.0.0.0/8", .shared_key = "second"}};
  EXPECT_EQ(step_of(keys, ping_with_key("first")).kind, Kind::kEstablished);
  EXPECT_EQ(step_of(keys, ping_with_key("second")).kind, Kind::kRefused);
  EXPECT_EQ(step_of(keys, ping_with_key("second"), "127.0.0.2").kind, Kind::kEstablished);
}

TEST(Handshake, AClientsUsersAreTheOnlyOnes) {
  config::Security users = security_with_users();
  users.clients = {{.network = "127.0.0.0/8", .users = {"alice"}}};
  EXPECT_EQ(step_of(users, ping_of_user("alice", "wonder")).kind, Kind::kEstablished);
  expect_refused(step_of(users, ping_of_user("bob", "builder")), CloseReason::kUserMismatch,
                 "username/password mismatch");
  EXPECT_EQ(step_of(users, ping_of_user("bob", "builder"), "10.0.0.1").kind, Kind::kEstablished);
}

TEST(Authenticator, HostsAreLookedUpOnce) {
  config::Security named = security();
  named.allow_anonymous_source = false;
  named.clients = {{.host = "edge.example"}};
  int asked = 0;
  const HostNames names = {
      [&](const std::string& host) -> Result<std::vector<IpAddress>> {
        EXPECT_EQ(host, "edge.example");
        ++asked;
        return std::vector{*IpAddress::parse("192.0.2.7"), *IpAddress::parse("2001:db8::7")};
      },
      [] { return std::string(); }};
  const auto authenticator = Authenticator::make(named, names);
  ASSERT_TRUE(authenticator.has_value());
  const std::string frame = ping(kPingDigest);
  for (const char* const peer : {"192.0.2.7", "2001:db8::7"}) {
    EXPECT_FALSE((*authenticator)->judge(read_ping(frame), kChallenge, peer).refused) << peer;
  }
  EXPECT_TRUE((*authenticator)->judge(read_ping(frame), kChallenge, "192.0.2.8").refused);
  EXPECT_EQ(asked, 1);
}

TEST(Authenticator, AHostWithoutAddressIsAnError) {
  config::Security named = security();
  named.clients = {{.host = "edge.example"}};
  const auto refused = Authenticator::make(named, no_names());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnreachable);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("edge.example"));
}

TEST(Authenticator, TheMachinesNameIsTheDefault) {
  config::Security unnamed = security();
  unnamed.self_hostname = "";
  EXPECT_THAT(step_of(unnamed, ping(kPingDigest)).pong, testing::HasSubstr("machine.example"));
  HostNames names = no_names();
  names.machine_name = [] { return std::string("localhost"); };
  const auto refused = Authenticator::make(unnamed, names);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("set self_hostname"));
}

TEST(HostName, NumericAddressesAreTheirOwn) {
  const auto four = addresses_of("192.0.2.7");
  ASSERT_TRUE(four.has_value());
  EXPECT_THAT(*four, testing::ElementsAre(*IpAddress::parse("192.0.2.7")));
  const auto six = addresses_of("2001:db8::7");
  ASSERT_TRUE(six.has_value());
  EXPECT_THAT(*six, testing::ElementsAre(*IpAddress::parse("2001:db8::7")));
  EXPECT_FALSE(machine_name().empty());
}

}  // namespace
}  // namespace millrace::input
