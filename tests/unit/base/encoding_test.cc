// SPDX-License-Identifier: Apache-2.0
#include "base/encoding.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <random>
#include <string>

namespace millrace {
namespace {

std::string by_openssl(const std::string& bytes) {
  std::string text(base64_encoded_size(bytes.size()) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

// RFC 4648, section 10.
TEST(Base64, KnownValues) {
  const char* const kVectors[][2] = {{"", ""},
                                     {"f", "Zg=="},
                                     {"fo", "Zm8="},
                                     {"foo", "Zm9v"},
                                     {"foob", "Zm9vYg=="},
                                     {"fooba", "Zm9vYmE="},
                                     {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, IsOpensslsWhateverTheLength) {
  std::mt19937_64 random(1);
  std::string bytes;
  for (size_t size = 0; size < 700; ++size) {
    const std::string text = base64_encode(bytes);
    EXPECT_EQ(text, by_openssl(bytes)) << size;
    EXPECT_EQ(base64_decode(text), bytes);
    bytes.push_back(static_cast<char>(random()));
  }
}

// Each value in each place of a block.
TEST(Base64, EveryThreeBytes) {
  for (uint32_t value = 0; value < 1 << 24; value += 4093) {
    std::string bytes;
    for (uint32_t i = 0; i < 16; ++i) {
      const uint32_t three = (value + i * 0x10101) & 0xffffff;
      bytes +=
          {static_cast<char>(three >> 16), static_cast<char>(three >> 8), static_cast<char>(three)};
    }
    ASSERT_EQ(base64_encode(bytes), by_openssl(bytes));
  }
}

TEST(Base64, IsAppended) {
  std::string text = "before";
  base64_append(text, std::string(100, 'x'));
  EXPECT_EQ(text, "before" + base64_encode(std::string(100, 'x')));
}

TEST(Hex, BothWays) {
  EXPECT_EQ(hex_encode(std::string("\x00\x9f\xff", 3)), "009fff");
  EXPECT_EQ(hex_decode("009FfF"), std::string("\x00\x9f\xff", 3));
  EXPECT_FALSE(hex_decode("0"));
  EXPECT_FALSE(hex_decode("0g"));
}

}  // namespace
}  // namespace millrace
