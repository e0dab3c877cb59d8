// SPDX-License-Identifier: Apache-2.0
#include "input/forward/handshake_message.h"

#include <initializer_list>

#include "base/check.h"
#include "base/digest.h"
#include "base/encoding.h"
#include "base/msgpack_token.h"
#include "base/random_bytes.h"

namespace millrace::input {
namespace {

constexpr uint32_t kPingElements = 6;

std::string_view view(const std::array<char, 16>& bytes) { return {bytes.data(), bytes.size()}; }

void append_str(std::string& out, std::string_view text) {
  CHECK(text.size() <= 0xffff);
  if (text.size() < 32) {
    out += static_cast<char>(0xa0 + text.size());
  } else if (text.size() <= 0xff) {
    out += '\xd9';
    out += static_cast<char>(text.size());
  } else {
    out += '\xda';
    out += static_cast<char>(text.size() >> 8);
    out += static_cast<char>(text.size() & 0xff);
  }
  out += text;
}

void append_bin(std::string& out, std::string_view bytes) {
  CHECK(bytes.size() <= 0xff);
  out += '\xc4';
  out += static_cast<char>(bytes.size());
  out += bytes;
}

std::string pong(bool accepted, std::string_view reason, std::string_view hostname,
                 std::string_view digest) {
  std::string out = "\x95";
  append_str(out, "PONG");
  out += accepted ? '\xc3' : '\xc2';
  append_str(out, reason);
  append_str(out, hostname);
  append_str(out, digest);
  return out;
}

std::string sha512_hex(std::initializer_list<std::string_view> parts) {
  Digest digest = Digest::sha512();
  Sha512Bytes bytes;
  digest.start();
  for (const std::string_view part : parts) digest.update(part);
  digest.finish(bytes.data());
  return hex_encode({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

Challenge random_challenge() {
  Challenge challenge;
  random_bytes(challenge.nonce.data(), challenge.nonce.size());
  random_bytes(challenge.salt.data(), challenge.salt.size());
  return challenge;
}

std::optional<Ping> read_ping(std::string_view frame) {
  using msgpack_token::Type;
  const char* p = frame.data();
  const char* const end = p + frame.size();
  msgpack_token::Token token;
  if (msgpack_token::read(p, end, token) != msgpack_token::Status::kOk) return std::nullopt;
  if (token.type != Type::kArray || token.count != kPingElements) return std::nullopt;
  std::array<std::string_view, kPingElements> elements;
  for (std::string_view& element : elements) {
    if (msgpack_token::read(p, end, token) != msgpack_token::Status::kOk) return std::nullopt;
    if (token.type != Type::kStr && token.type != Type::kBin) return std::nullopt;
    element = token.bytes();
  }
  if (elements[0] != "PING") return std::nullopt;
  return Ping{elements[1], elements[2], elements[3], elements[4], elements[5]};
}

std::string helo(const Challenge& challenge) {
  std::string out = "\x92";
  append_str(out, "HELO");
  out += '\x83';
  append_str(out, "nonce");
  append_bin(out, view(challenge.nonce));
  // Never empty, even if nobody is asked for a password: clients then send a user name that does
  // not count, as they do with Fluentd.
  append_str(out, "auth");
  append_bin(out, view(challenge.salt));
  append_str(out, "keepalive");
  out += '\xc3';
  return out;
}

std::string pong_accepted(std::string_view server_hostname, std::string_view digest) {
  return pong(true, "", server_hostname, digest);
}

std::string pong_refused(std::string_view reason) { return pong(false, reason, "", ""); }

std::string shared_key_digest(std::string_view salt, std::string_view hostname,
                              const Challenge& challenge, std::string_view shared_key) {
  return sha512_hex({salt, hostname, view(challenge.nonce), shared_key});
}

std::string password_digest(const Challenge& challenge, std::string_view username,
                            std::string_view password) {
  return sha512_hex({view(challenge.salt), username, password});
}

}  // namespace millrace::input
