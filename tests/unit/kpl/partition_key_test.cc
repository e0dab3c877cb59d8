// SPDX-License-Identifier: Apache-2.0
#include "kpl/partition_key.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::kpl {
namespace {

std::string repeated(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(PartitionKey, RandomKeyIsTheChunksId) {
  const ChunkId id = ChunkId::from_bytes(
      "\x01\x23\x45\x67\x89\xab\xcd\xef"
      "\xfe\xdc\xba\x98\x76\x54\x32\x10");
  const PartitionKey key{std::string()};
  EXPECT_EQ(key.of(id), "01234567-89ab-cdef-fedc-ba9876543210");
  EXPECT_EQ(key.size(), 36U);
}

TEST(PartitionKey, FixedKeyIsTheSameForAllChunks) {
  const PartitionKey key("k1");
  EXPECT_EQ(key.of(ChunkId()), "k1");
  EXPECT_EQ(key.of(ChunkId::from_bytes("sixteen bytes id")), "k1");
  EXPECT_EQ(key.size(), 2U);
}

TEST(PartitionKey, TakesUpTo256Characters) {
  EXPECT_TRUE(check_partition_key("k"));
  EXPECT_TRUE(check_partition_key(repeated("é", 256)));
  EXPECT_TRUE(check_partition_key(repeated("\xf0\x9f\x98\x80", 256)));
  EXPECT_FALSE(check_partition_key(repeated("é", 257)));
  EXPECT_FALSE(check_partition_key(repeated("k", 257)));
  EXPECT_FALSE(check_partition_key(""));
}

TEST(PartitionKey, TakesOnlyUtf8) {
  EXPECT_FALSE(check_partition_key("a\xff"));
  EXPECT_FALSE(check_partition_key("\xed\xa0\x80"));  // a lone surrogate
}

}  // namespace
}  // namespace millrace::kpl
