// SPDX-License-Identifier: Apache-2.0
#pragma once

// The three messages of the forward handshake and their digests: HELO and PONG as bytes, PING from
// bytes. Judges nothing. Source: Forward Protocol Specification v1.5 (fluent/forward-protocol),
// "Handshake Messages". Clients read HELO and PONG with one read each, Fluentd in pieces of 512
// bytes: either must be smaller and leave in one write. Any thread.

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::input {

/// What a server makes up for each connection, so that no digest fits twice.
struct Challenge {
  std::array<char, 16> nonce{};  // goes into the digests of the shared key
  std::array<char, 16> salt{};   // goes into that of the password
};

/// From the kernel's random source (getrandom).
Challenge random_challenge();

/// What a client answers. Views into the frame.
struct Ping {
  std::string_view hostname;  // as the client calls itself
  std::string_view salt;      // any bytes; Fluentd's are 32 hex characters, hashed as such
  std::string_view digest;    // 128 lower-case hex characters, if it is right
  std::string_view username;
  std::string_view password_digest;
};

/// `frame` is one whole MessagePack value; nothing if it is not a PING: an array of six str or bin
/// values of which the first is "PING".
std::optional<Ping> read_ping(std::string_view frame);

std::string helo(const Challenge& challenge);
std::string pong_accepted(std::string_view server_hostname, std::string_view digest);
std::string pong_refused(std::string_view reason);

/// hex(SHA-512(salt, hostname, nonce, key)): the client's hostname in a PING, the server's in a
/// PONG.
std::string shared_key_digest(std::string_view salt, std::string_view hostname,
                              const Challenge& challenge, std::string_view shared_key);
/// hex(SHA-512(the challenge's salt, username, password)).
std::string password_digest(const Challenge& challenge, std::string_view username,
                            std::string_view password);

}  // namespace millrace::input
