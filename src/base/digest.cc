// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace millrace {
namespace {

// Fetched once: an implicit fetch per message costs more than hashing a short one (OpenSSL 3,
// crypto(7), "performance").
const EVP_MD* fetched_md5() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

const EVP_MD* fetched_sha256() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

const EVP_MD* fetched_sha512() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

}  // namespace

void DigestContextDeleter::operator()(void* context) const noexcept {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Digest::Digest(const void* algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
  CHECK(context_ != nullptr);
}

Digest Digest::md5() { return Digest(fetched_md5()); }

Digest Digest::sha256() { return Digest(fetched_sha256()); }

Digest Digest::sha512() { return Digest(fetched_sha512()); }

void Digest::start() {
  CHECK(EVP_DigestInit_ex2(static_cast<EVP_MD_CTX*>(context_.get()),
                           static_cast<const EVP_MD*>(algorithm_), nullptr) == 1);
}

void Digest::update(std::string_view bytes) {
  CHECK(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), bytes.data(), bytes.size()) ==
        1);
}

void Digest::finish(uint8_t* out) {
  CHECK(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_.get()), out, nullptr) == 1);
}

Md5Bytes md5(std::string_view bytes) {
  Md5Bytes out;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, fetched_md5(), nullptr) == 1);
  return out;
}

Sha256Bytes sha256(std::string_view bytes) {
  Sha256Bytes out;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, fetched_sha256(), nullptr) ==
        1);
  return out;
}

Sha256Bytes hmac_sha256(std::string_view key, std::string_view bytes) {
  Sha256Bytes out;
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out.data(),
             &size) != nullptr);
  CHECK(size == out.size());
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace millrace
