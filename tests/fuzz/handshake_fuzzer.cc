// SPDX-License-Identifier: Apache-2.0
// Any bytes as the answer to HELO: whatever the pieces, the verdict, its reason and the PONG are
// what a second reader makes of them, with an end at the latest at the limit. The same bytes as
// host name and salt of clients that know the key, the user and the password: all of them are let
// in where they may be, and none whose digest is wrong in one place. HELO says the challenge.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "input/forward/handshake.h"
#include "tests/support/handshake_judge.h"

namespace {

namespace input = millrace::input;
using input::CloseReason;
using millrace::testing::HandshakeClient;
using millrace::testing::HandshakeJudge;
using millrace::testing::JudgedHandshake;
using nlohmann::json;
using Kind = input::Handshake::Step::Kind;

constexpr const char* kKey = "s3cr3t";
constexpr const char* kUser = "alice";
constexpr const char* kPassword = "wonder";
constexpr const char* kHostname = "server.example";

millrace::config::Security security(bool users) {
  millrace::config::Security out;
  out.self_hostname = kHostname;
  out.shared_key = kKey;
  out.user_auth = users;
  out.users = {{kUser, kPassword}};
  out.clients.resize(1);
  out.clients[0].network = "10.0.0.0/8";
  out.clients[0].users = {kUser};
  return out;
}

// Nobody but the clients of the rule is known; the name needs the longest form of a string.
millrace::config::Security closed_security() {
  millrace::config::Security out = security(false);
  out.self_hostname = std::string(300, 'h');
  out.allow_anonymous_source = false;
  return out;
}

// What the first byte of an input chooses.
struct Server {
  bool users;
  bool closed;
  bool inside;  // the client is one of the rule

  const char* peer() const { return inside ? "10.1.2.3" : "::1"; }
  const input::Authenticator& authenticator() const {
    static const auto open = input::Authenticator::make(security(false), {});
    static const auto asking = input::Authenticator::make(security(true), {});
    static const auto strict = input::Authenticator::make(closed_security(), {});
    return closed ? **strict : users ? **asking : **open;
  }
  HandshakeJudge judge(const input::Challenge& challenge) const {
    return {.challenge = challenge,
            .hostname = closed ? std::string(300, 'h') : kHostname,
            .shared_key = kKey,
            .asks_user = users && !closed,
            .user = kUser,
            .password = kPassword,
            .knows_peer = inside || !closed,
            .peer = peer()};
  }
};

input::Handshake::Step run(std::string_view bytes, size_t piece, const Server& server,
                           const input::Challenge& challenge) {
  input::Handshake handshake(server.authenticator(), challenge);
  input::Handshake::Step step;
  for (size_t end = 0; end < bytes.size() && step.kind == Kind::kNeedMore;) {
    end = std::min(bytes.size(), end + piece);
    // In memory of exactly this size, so that a step too far is noticed.
    const std::string arrived(bytes.substr(0, end));
    const bool will_judge = handshake.will_judge(arrived);
    step = handshake.take(arrived, server.peer());
    CHECK(will_judge == (step.kind != Kind::kNeedMore && step.reason != CloseReason::kForeign));
    CHECK(step.kind != Kind::kNeedMore || end < input::Handshake::kPingBytesMax);
  }
  return step;
}

void check_step(const input::Handshake::Step& step, const JudgedHandshake& judged) {
  if (step.kind == Kind::kNeedMore && judged.or_need_more) return;
  CHECK(step.kind == judged.kind && step.size == judged.size);
  CHECK(step.hostname == judged.hostname);
  if (step.kind == Kind::kRefused) CHECK(step.reason == judged.reason);
  CHECK(step.pong.empty() == judged.pong.empty() && step.pong.size() < 512);
  if (!step.pong.empty()) CHECK(json::from_msgpack(step.pong).dump() == judged.pong);
}

// The verdict, which is the judge's.
Kind check(std::string_view bytes, size_t piece, const Server& server,
           const input::Challenge& challenge) {
  const HandshakeJudge judge = server.judge(challenge);
  const auto whole = run(bytes, bytes.size() + 1, server, challenge);
  check_step(whole, judge.judge(bytes));
  const auto pieces = run(bytes, piece, server, challenge);
  // What begins no array is judged with the first piece, which may be too little of another
  // protocol to name it.
  if (!bytes.empty() && !HandshakeJudge::begins_array(bytes)) {
    check_step(pieces, judge.judge(bytes.substr(0, piece)));
    return whole.kind;
  }
  CHECK(whole.kind == pieces.kind && whole.reason == pieces.reason);
  CHECK(whole.pong == pieces.pong && whole.size == pieces.size);
  return whole.kind;
}

// Clients with what they have to know, and with one wrong digit of it.
void check_clients(std::string_view bytes, uint8_t choice, const Server& server,
                   const input::Challenge& challenge) {
  const size_t half = std::min<size_t>(bytes.size() / 2, 1500);
  const HandshakeJudge judge = server.judge(challenge);
  HandshakeClient client{std::string(bytes.substr(0, half)), std::string(bytes.substr(half, half)),
                         "", kUser, judge.password_digest()};
  client.digest = judge.key_digest(client.salt, client.hostname);
  const bool as_bin = (choice & 128) != 0;
  const size_t piece = 20 + choice % 16 * 40;
  const auto check_client = [&](const HandshakeClient& one) {
    return check(one.ping(as_bin).append(bytes.substr(0, 20)), piece, server, challenge);
  };
  CHECK((check_client(client) == Kind::kEstablished) == judge.knows_peer);
  HandshakeClient wrong = client;
  wrong.digest[bytes.size() % wrong.digest.size()] ^= 1;
  CHECK(check_client(wrong) == Kind::kRefused);
  wrong = client;
  wrong.password_digest[bytes.size() % wrong.password_digest.size()] ^= 1;
  const bool may = judge.knows_peer && !judge.asks_user;
  CHECK((check_client(wrong) == Kind::kEstablished) == may);
}

// A client can read what it is greeted with.
void check_helo(const input::Challenge& challenge) {
  const auto binary = [](const std::string& text) {
    return json::binary(std::vector<uint8_t>(text.begin(), text.end()));
  };
  const json options = {{"nonce", binary(millrace::testing::text_of(challenge.nonce))},
                        {"auth", binary(millrace::testing::text_of(challenge.salt))},
                        {"keepalive", true}};
  const std::string helo = input::helo(challenge);
  CHECK(helo.size() < 512 && json::from_msgpack(helo) == json::array({"HELO", options}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Server server{
      .users = (data[0] & 16) != 0, .closed = (data[0] & 64) != 0, .inside = (data[0] & 32) != 0};
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  check(bytes, 1 + data[0] % 16, server, {});
  input::Challenge challenge{};
  bytes.substr(0, 16).copy(challenge.nonce.data(), 16);
  bytes.substr(std::min<size_t>(bytes.size(), 16), 16).copy(challenge.salt.data(), 16);
  check_clients(bytes, data[0], server, challenge);
  check_helo(challenge);
  return 0;
}
