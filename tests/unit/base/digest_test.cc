// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace millrace {
namespace {

std::string sha512_hex(std::initializer_list<std::string_view> parts) {
  static Digest digest = Digest::sha512();
  Sha512Bytes out;
  digest.start();
  for (const std::string_view part : parts) digest.update(part);
  digest.finish(out.data());
  return hex_encode({reinterpret_cast<const char*>(out.data()), out.size()});
}

TEST(Digest, Sha512OfTheStandard) {
  // FIPS 180-4, examples of NIST: "abc" and the empty message.
  const std::string abc =
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
  EXPECT_EQ(sha512_hex({"abc"}), abc);
  EXPECT_EQ(sha512_hex({"a", "", "bc"}), abc);
  EXPECT_EQ(sha512_hex({}),
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
            "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
}

TEST(Digest, EqualityInConstantTimeIsEquality) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("bbc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

}  // namespace
}  // namespace millrace
