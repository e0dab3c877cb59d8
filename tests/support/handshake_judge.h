// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a server that knows one key and one user has to answer to a client of the forward handshake,
// with the messages read by msgpack-c and the digests put together anew. For tests that compare
// ours with it; shares only the hash function and the signatures of other protocols.

#include <array>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/encoding.h"
#include "input/forward/foreign.h"
#include "input/forward/handshake.h"
#include "tests/support/frame_judge.h"

namespace millrace::testing {

template <size_t kSize>
std::string text_of(const std::array<char, kSize>& bytes) {
  return {bytes.data(), bytes.size()};
}

inline std::string sha512_hex(const std::string& text) {
  Digest digest = Digest::sha512();
  Sha512Bytes bytes;
  digest.start();
  digest.update(text);
  digest.finish(bytes.data());
  return hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// What a client says.
struct HandshakeClient {
  std::string hostname;
  std::string salt;
  std::string digest;
  std::string user;
  std::string password_digest;

  std::string ping(bool as_bin) const {
    msgpack::sbuffer buffer;
    msgpack::packer<msgpack::sbuffer> packer(buffer);
    packer.pack_array(6).pack("PING");
    for (const std::string& text : {hostname, salt, digest, user, password_digest}) {
      const auto size = static_cast<uint32_t>(text.size());
      as_bin ? packer.pack_bin(size) : packer.pack_str(size);
      packer.pack_str_body(text.data(), size);
    }
    return {buffer.data(), buffer.size()};
  }
};

inline std::optional<HandshakeClient> read_client(std::string_view frame) {
  const msgpack::object_handle handle = msgpack::unpack(frame.data(), frame.size());
  const msgpack::object& object = handle.get();
  if (object.type != msgpack::type::ARRAY || object.via.array.size != 6) return std::nullopt;
  std::array<std::string, 6> texts;
  for (size_t i = 0; i < texts.size(); ++i) {
    const msgpack::object& part = object.via.array.ptr[i];
    if (part.type != msgpack::type::STR && part.type != msgpack::type::BIN) return std::nullopt;
    texts[i] = part.as<std::string>();
  }
  if (texts[0] != "PING") return std::nullopt;
  return HandshakeClient{texts[1], texts[2], texts[3], texts[4], texts[5]};
}

struct JudgedHandshake {
  using Kind = input::Handshake::Step::Kind;

  Kind kind = Kind::kRefused;
  input::CloseReason reason = input::CloseReason::kInvalidPing;
  bool or_need_more = false;
  size_t size = 0;
  std::string pong;  // as JSON; empty: none
  std::string hostname;
};

struct HandshakeJudge {
  input::Challenge challenge;
  std::string hostname;
  std::string shared_key;
  bool asks_user = false;
  std::string user;
  std::string password;
  bool knows_peer = true;
  std::string peer;

  std::string key_digest(const std::string& salt, const std::string& name) const {
    return sha512_hex(salt + name + text_of(challenge.nonce) + shared_key);
  }
  std::string password_digest() const {
    return sha512_hex(text_of(challenge.salt) + user + password);
  }

  /// `bytes` is not empty.
  static bool begins_array(std::string_view bytes) {
    const auto lead = static_cast<uint8_t>(bytes[0]);
    return (lead & 0xf0) == 0x90 || lead == 0xdc || lead == 0xdd;
  }

  /// Of all that a client sends.
  JudgedHandshake judge(std::string_view bytes) const {
    using Kind = JudgedHandshake::Kind;
    using Status = JudgedFrame::Status;
    constexpr size_t kLimit = 4096;
    JudgedHandshake out;
    if (input::recognise_foreign(bytes).match == input::Foreign::Match::kYes) {
      out.reason = input::CloseReason::kForeign;
      return out;
    }
    refuse(out, input::CloseReason::kInvalidPing, "invalid ping message");
    if (!bytes.empty() && !begins_array(bytes)) return out;
    const JudgedFrame frame = judge_frame(bytes, kLimit);
    const bool room = bytes.size() < kLimit;
    out.or_need_more = frame.either && room;
    if (frame.status == Status::kNeedMore && room) {
      out.kind = Kind::kNeedMore;
      out.pong.clear();
    }
    if (frame.status != Status::kFrame) return out;
    out.size = frame.size;
    const auto client = read_client(bytes.substr(0, frame.size));
    if (client) judge_client(out, *client);
    return out;
  }

 private:
  static void refuse(JudgedHandshake& out, input::CloseReason reason, const std::string& text) {
    out.reason = reason;
    out.pong = nlohmann::json{"PONG", false, text, "", ""}.dump();
  }

  // In the order of Fluentd's checks.
  void judge_client(JudgedHandshake& out, const HandshakeClient& client) const {
    using input::CloseReason;
    out.hostname = client.hostname;
    if (!knows_peer) {
      return refuse(out, CloseReason::kAnonymousSource,
                    "anonymous source host '" + peer + "' denied");
    }
    if (client.digest != key_digest(client.salt, client.hostname)) {
      return refuse(out, CloseReason::kSharedKeyMismatch, "shared_key mismatch");
    }
    const bool is_user = client.user == user && client.password_digest == password_digest();
    if (asks_user && !is_user) {
      return refuse(out, CloseReason::kUserMismatch, "username/password mismatch");
    }
    out.kind = JudgedHandshake::Kind::kEstablished;
    out.pong = nlohmann::json{"PONG", true, "", hostname, key_digest(client.salt, hostname)}.dump();
  }
};

}  // namespace millrace::testing
