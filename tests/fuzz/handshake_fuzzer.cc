// SPDX-License-Identifier: Apache-2.0
// Any bytes as the answer to HELO: the same verdict whatever the pieces, an end at the latest at
// the limit, an answer that is always a PONG, and nobody let in whose digest is not that of the
// key.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "input/forward/handshake.h"

namespace {

namespace input = millrace::input;
namespace token = millrace::msgpack_token;
using Kind = input::Handshake::Step::Kind;

constexpr const char* kKey = "s3cr3t";

millrace::config::Security security(bool users) {
  millrace::config::Security out;
  out.self_hostname = "server.example";
  out.shared_key = kKey;
  out.user_auth = users;
  out.users = {{"alice", "wonder"}};
  out.clients.resize(1);
  out.clients[0].network = "10.0.0.0/8";
  out.clients[0].users = {"alice"};
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
};

// A client can read what it is greeted with.
void check_helo(const input::Challenge& challenge) {
  const std::string helo = input::helo(challenge);
  const char* p = helo.data();
  CHECK(token::skip(p, p + helo.size()) == token::Status::kOk && p == helo.data() + helo.size());
  for (const auto& secret : {challenge.nonce, challenge.salt}) {
    CHECK(helo.find(std::string(secret.data(), secret.size())) != std::string::npos);
  }
}

void check_pong(const std::string& pong) {
  const char* p = pong.data();
  CHECK(token::skip(p, p + pong.size()) == token::Status::kOk && p == pong.data() + pong.size());
  CHECK(pong.size() < 512 && pong.substr(1, 5) == "\xa4PONG");
}

// An independent look at who is let in.
void check_admitted(std::string_view bytes, const input::Handshake::Step& step,
                    const input::Challenge& challenge) {
  const auto ping = input::read_ping(bytes.substr(0, step.size));
  CHECK(ping.has_value());
  CHECK(ping->digest == input::shared_key_digest(ping->salt, ping->hostname, challenge, kKey));
  CHECK(step.hostname == ping->hostname);
}

input::Handshake::Step run(std::string_view bytes, size_t piece, const Server& server) {
  const input::Challenge challenge{};
  input::Handshake handshake(server.authenticator(), challenge);
  input::Handshake::Step step;
  for (size_t end = 0; end < bytes.size() && step.kind == Kind::kNeedMore;) {
    end = std::min(bytes.size(), end + piece);
    // In memory of exactly this size, so that a step too far is noticed.
    const std::string arrived(bytes.substr(0, end));
    const bool will_judge = handshake.will_judge(arrived);
    step = handshake.take(arrived, server.peer());
    CHECK(will_judge ==
          (step.kind != Kind::kNeedMore && step.reason != input::CloseReason::kForeign));
    CHECK(step.kind != Kind::kNeedMore || end < input::Handshake::kPingBytesMax);
  }
  CHECK(step.size <= bytes.size());
  CHECK(step.kind != Kind::kEstablished || server.inside || !server.closed);
  if (step.kind == Kind::kEstablished) check_admitted(bytes, step, challenge);
  if (step.kind != Kind::kNeedMore && step.reason != input::CloseReason::kForeign) {
    check_pong(step.pong);
  }
  return step;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Server server{
      .users = (data[0] & 16) != 0, .closed = (data[0] & 64) != 0, .inside = (data[0] & 32) != 0};
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto whole = run(bytes, bytes.size() + 1, server);
  const auto pieces = run(bytes, 1 + data[0] % 16, server);
  CHECK(whole.kind == pieces.kind && whole.size == pieces.size);
  // Too little of another protocol to name it is an integer, which is no PING.
  const bool named_in_one_piece = whole.reason == input::CloseReason::kForeign &&
                                  pieces.reason == input::CloseReason::kInvalidPing;
  CHECK(whole.pong == pieces.pong || named_in_one_piece);
  const auto lead = static_cast<uint8_t>(bytes.empty() ? 0x90 : bytes[0]);
  const bool is_array = (lead & 0xf0U) == 0x90 || lead == 0xdc || lead == 0xdd;
  CHECK(is_array || whole.kind == Kind::kRefused);
  input::Challenge challenge{};
  bytes.substr(0, 16).copy(challenge.nonce.data(), 16);
  bytes.substr(std::min<size_t>(bytes.size(), 16), 16).copy(challenge.salt.data(), 16);
  check_helo(challenge);
  return 0;
}
