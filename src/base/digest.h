// SPDX-License-Identifier: Apache-2.0
#pragma once

// MD5, SHA-256, SHA-512 and HMAC-SHA-256 through OpenSSL's EVP interface: the algorithm is fetched
// once, a Digest's context is used again for every message. A Digest belongs to one thread at a
// time. Invariant: between start() and finish() every update() is part of one message.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace {

using Md5Bytes = std::array<uint8_t, 16>;
using Sha256Bytes = std::array<uint8_t, 32>;
using Sha512Bytes = std::array<uint8_t, 64>;

struct DigestContextDeleter {
  void operator()(void* context) const noexcept;
};

/// One reusable hash of a given kind.
class Digest {
 public:
  static Digest md5();
  static Digest sha256();
  static Digest sha512();

  void start();
  void update(std::string_view bytes);
  /// Writes 16 (MD5), 32 (SHA-256) or 64 (SHA-512) bytes to `out` and ends the message.
  void finish(uint8_t* out);

 private:
  explicit Digest(const void* algorithm);

  const void* algorithm_;                                // EVP_MD, lives as long as the process
  std::unique_ptr<void, DigestContextDeleter> context_;  // EVP_MD_CTX
};

Md5Bytes md5(std::string_view bytes);
Sha256Bytes sha256(std::string_view bytes);
Sha256Bytes hmac_sha256(std::string_view key, std::string_view bytes);

/// a == b in a time that tells nothing of where they differ; only whether their sizes do.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace millrace
