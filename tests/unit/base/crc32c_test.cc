// SPDX-License-Identifier: Apache-2.0
#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace millrace {
namespace {

std::string noise(size_t bytes) {
  std::mt19937_64 random(bytes);
  std::string text(bytes, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  // RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c(""), 0U);
}

// Around the lengths at which three streams go side by side, at every alignment.
TEST(Crc32c, IsTheTablesWhateverTheLength) {
  const std::string bytes = noise(30'000);
  for (const size_t about : {0U, 1024U, 3072U, 6144U, 12288U, 29'960U}) {
    for (size_t size = about < 16 ? 0 : about - 16; size < about + 24; ++size) {
      const size_t offset = size % 9;
      EXPECT_EQ(crc32c_extend(0x12345678, bytes.data() + offset, size),
                crc32c_extend_table(0x12345678, bytes.data() + offset, size))
          << size;
    }
  }
}

TEST(Crc32c, GoesOnWhereItEnded) {
  const std::string bytes = noise(10'000);
  for (size_t cut = 0; cut <= bytes.size(); cut += 333) {
    const uint32_t first = crc32c_extend(0, bytes.data(), cut);
    EXPECT_EQ(crc32c_extend(first, bytes.data() + cut, bytes.size() - cut), crc32c(bytes));
  }
}

}  // namespace
}  // namespace millrace
