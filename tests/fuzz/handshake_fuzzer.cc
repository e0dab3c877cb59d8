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

const input::Authenticator& authenticator(bool users) {
  static const auto plain = input::Authenticator::make(security(false), {});
  static const auto asking = input::Authenticator::make(security(true), {});
  return users ? **asking : **plain;
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

input::Handshake::Step run(std::string_view bytes, size_t piece, bool users, bool inside) {
  const input::Challenge challenge{};
  input::Handshake handshake(authenticator(users), challenge);
  input::Handshake::Step step;
  for (size_t end = 0; end < bytes.size() && step.kind == Kind::kNeedMore;) {
    end = std::min(bytes.size(), end + piece);
    // In memory of exactly this size, so that a step too far is noticed.
    const std::string arrived(bytes.substr(0, end));
    step = handshake.take(arrived, inside ? "10.1.2.3" : "::1");
    CHECK(step.kind != Kind::kNeedMore || end < input::Handshake::kPingBytesMax);
  }
  CHECK(step.size <= bytes.size());
  if (step.kind == Kind::kEstablished) check_admitted(bytes, step, challenge);
  if (step.kind != Kind::kNeedMore && step.reason != input::CloseReason::kForeign) {
    check_pong(step.pong);
  }
  return step;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const bool users = (data[0] & 16) != 0;
  const bool inside = (data[0] & 32) != 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto whole = run(bytes, bytes.size() + 1, users, inside);
  const auto pieces = run(bytes, 1 + data[0] % 16, users, inside);
  CHECK(whole.kind == pieces.kind);
  CHECK(whole.pong == pieces.pong && whole.size == pieces.size);
  return 0;
}
