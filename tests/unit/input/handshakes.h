// SPDX-License-Identifier: Apache-2.0
#pragma once

// A secured source with a known challenge, and PINGs for it, as tests write them.

#include <string>
#include <string_view>
#include <utility>

#include "config/model.h"
#include "input/forward/authenticator.h"
#include "input/forward/handshake_message.h"
#include "tests/support/bytes.h"

namespace millrace::input {

inline Challenge challenge_of(std::string_view nonce, std::string_view salt) {
  Challenge challenge;
  nonce.copy(challenge.nonce.data(), challenge.nonce.size());
  salt.copy(challenge.salt.data(), challenge.salt.size());
  return challenge;
}

/// nonce 10..1f, salt 20..2f.
inline const Challenge kChallenge =
    challenge_of(test::hex("10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f"),
                 test::hex("20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f"));
inline const std::string kSalt = "00112233445566778899aabbccddeeff";
inline const std::string kHost = "client.example";
inline const std::string kServer = "server.example";

/// Digests of kChallenge, kSalt, kHost, kServer, the shared key s3cr3t, user alice with password
/// wonder; computed with Python's hashlib.
inline const std::string kPingDigest =
    "4eb4698295db04adde9d6077aed05c90e141bfa1dff3dfece8f11eb6835f2c8b"
    "c38085adc50af89d98723e1ccbfffbe41a5751161b80cb7256591f609e710951";
inline const std::string kPasswordDigest =
    "1bd7524891d0af9b6264e02992c00bd465d6ef4a1b0d99d96827d818a5506961"
    "61d620518bf1ba05e85cc65d7adf75a328d68230f4aa870e1a080b13dc8c7463";
inline const std::string kPongDigest =
    "397ebeed3d64ac1c9746705a6befd12e3977deb18d93d602e46689ccc853b463"
    "57861600096367f12bafc7bcecc1a922e2ff000e2d70992856e663783ff9f633";
inline const std::string kEmptyKeyPingDigest =
    "3d9c91dfcf138bd7471612af5d51c0835a4566e1a1229b2483af9c9731c88c95"
    "3a94a773b1529f7158ab0a7da7b53444375344f80d9d4d9481df55f5ae493e90";

/// A str of fewer than 256 bytes.
inline std::string str(std::string_view text) {
  std::string out;
  if (text.size() < 32) {
    out = static_cast<char>(0xa0 + text.size());
  } else {
    out = {'\xd9', static_cast<char>(text.size())};
  }
  return out += text;
}

inline std::string bin(std::string_view bytes) {
  return std::string{'\xc4', static_cast<char>(bytes.size())} += bytes;
}

inline std::string ping(std::string_view digest, std::string_view user = "",
                        std::string_view password = "", std::string_view salt = kSalt) {
  return "\x96" + str("PING") + str(kHost) + str(salt) + str(digest) + str(user) + str(password);
}

/// The right PING for `shared_key`.
inline std::string ping_with_key(std::string_view shared_key) {
  return ping(shared_key_digest(kSalt, kHost, kChallenge, shared_key));
}

/// The right PING for this user, of a client that has the key.
inline std::string ping_of_user(std::string_view user, std::string_view password) {
  return ping(kPingDigest, user, password_digest(kChallenge, user, password));
}

inline const std::string kPong =
    "\x95" + str("PONG") + "\xc3\xa0" + str(kServer) + str(kPongDigest);

inline std::string refusal(std::string_view reason) {
  return "\x95" + str("PONG") + '\xc2' + str(reason) + "\xa0\xa0";
}

inline config::Security security() { return {.self_hostname = kServer, .shared_key = "s3cr3t"}; }

inline config::Security security_with_users() {
  config::Security out = security();
  out.user_auth = true;
  out.users = {{"alice", "wonder"}, {"bob", "builder"}};
  return out;
}

}  // namespace millrace::input
