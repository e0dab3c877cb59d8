// SPDX-License-Identifier: Apache-2.0
#include "input/forward/inflate.h"

#include <gtest/gtest.h>

#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::gzip;
using test::zstd;
using Status = Inflater::Status;

constexpr uint64_t kLimit = 256 << 20;

std::string varied(size_t size) {
  std::string out(size, '\0');
  uint32_t state = 1;
  for (char& byte : out) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 27);
  return out;
}

std::string pack(Compression kind, std::string_view bytes) {
  return kind == Compression::kGzip ? gzip(bytes) : zstd(bytes);
}

class Both : public testing::TestWithParam<Compression> {};
INSTANTIATE_TEST_SUITE_P(Inflate, Both, testing::Values(Compression::kGzip, Compression::kZstd),
                         [](const testing::TestParamInfo<Compression>& kind) {
                           return kind.param == Compression::kGzip ? "Gzip" : "Zstd";
                         });

TEST_P(Both, UnpacksOneAndSeveral) {
  Inflater inflater(kLimit);
  const std::string a = varied(1'000'000);
  const std::string b = varied(3);
  ASSERT_EQ(inflater.unpack(GetParam(), pack(GetParam(), a)), Status::kOk);
  EXPECT_TRUE(inflater.output() == a);
  const std::string several =
      pack(GetParam(), b) + pack(GetParam(), "") + pack(GetParam(), a) + pack(GetParam(), b);
  ASSERT_EQ(inflater.unpack(GetParam(), several), Status::kOk);
  EXPECT_TRUE(inflater.output() == b + a + b);
  inflater.trim();
  ASSERT_EQ(inflater.unpack(GetParam(), pack(GetParam(), b)), Status::kOk);
  EXPECT_TRUE(inflater.output() == b);
}

TEST_P(Both, NothingMakesNothing) {
  Inflater inflater(kLimit);
  EXPECT_EQ(inflater.unpack(GetParam(), ""), Status::kOk);
  EXPECT_EQ(inflater.output(), "");
  EXPECT_EQ(inflater.unpack(GetParam(), pack(GetParam(), "")), Status::kOk);
  EXPECT_EQ(inflater.output(), "");
}

TEST_P(Both, EveryTruncationIsCorrupt) {
  Inflater inflater(kLimit);
  const std::string packed = pack(GetParam(), varied(2000));
  for (size_t size = 1; size < packed.size(); ++size) {
    EXPECT_EQ(inflater.unpack(GetParam(), std::string(packed, 0, size)), Status::kCorrupt) << size;
  }
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kOk);
}

TEST_P(Both, OtherBytesAreCorrupt) {
  Inflater inflater(kLimit);
  EXPECT_EQ(inflater.unpack(GetParam(), "plain bytes, not packed"), Status::kCorrupt);
  EXPECT_EQ(inflater.unpack(GetParam(), pack(GetParam(), "x") + "trailing"), Status::kCorrupt);
  EXPECT_EQ(inflater.unpack(GetParam(), pack(GetParam(), "x") + '\0'), Status::kCorrupt);
}

TEST_P(Both, TheLimitIsExact) {
  const std::string packed = pack(GetParam(), varied(500'000));
  Inflater exact(500'000);
  EXPECT_EQ(exact.unpack(GetParam(), packed), Status::kOk);
  EXPECT_EQ(exact.output().size(), 500'000u);
  Inflater less(499'999);
  EXPECT_EQ(less.unpack(GetParam(), packed), Status::kTooLarge);
  EXPECT_LE(less.output().size(), 499'999u);
  const std::string two = packed + packed;
  EXPECT_EQ(exact.unpack(GetParam(), two), Status::kTooLarge);
  EXPECT_EQ(exact.unpack(GetParam(), packed), Status::kOk);
}

TEST_P(Both, ABombIsRefusedAtTheLimit) {
  const std::string packed = pack(GetParam(), std::string(64 << 20, '\0'));
  ASSERT_LT(packed.size(), 100'000u);
  Inflater inflater(8 << 20);
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kTooLarge);
  EXPECT_LE(inflater.output().size(), uint64_t{8} << 20);
}

TEST_P(Both, ABombIsRefusedByItsRatio) {
  const std::string packed = pack(GetParam(), std::string(64 << 20, '\0'));
  Inflater inflater(kLimit, 100);
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kTooDense);
  EXPECT_LE(inflater.output().size(), Inflater::kAnyRatioBytes);
  EXPECT_EQ(Inflater(kLimit, 0).unpack(GetParam(), packed), Status::kOk);
  Inflater small(1 << 20, 100);
  EXPECT_EQ(small.unpack(GetParam(), packed), Status::kTooLarge) << "the absolute limit";
}

TEST_P(Both, AnyRatioIsFineBelowItsFloor) {
  const std::string packed = pack(GetParam(), std::string(Inflater::kAnyRatioBytes, 'x'));
  Inflater inflater(kLimit, 1);
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kOk);
  EXPECT_EQ(inflater.unpack(GetParam(), packed + pack(GetParam(), "x")), Status::kTooDense);
}

TEST_P(Both, TheRatioIsThatOfTheWholePayload) {
  const std::string plain = varied(20 << 20);
  const std::string packed = pack(GetParam(), plain);
  const uint64_t ratio = plain.size() / packed.size();
  Inflater inflater(kLimit, ratio + 1);
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kOk);
  EXPECT_TRUE(inflater.output() == plain);
}

TEST_P(Both, ManyMembersAreCounted) {
  const std::string one = pack(GetParam(), "");
  std::string packed;
  packed.reserve(one.size() * (Inflater::kMembersMax + 1));
  for (uint64_t i = 0; i <= Inflater::kMembersMax; ++i) packed += one;
  Inflater inflater(kLimit);
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kTooManyMembers);
  packed.resize(packed.size() - one.size());
  EXPECT_EQ(inflater.unpack(GetParam(), packed), Status::kOk);
}

TEST(Inflate, ZstdSkippableFramesAreSkipped) {
  const std::string skippable = test::hex("50 2a 4d 18 04 00 00 00 01 02 03 04");
  Inflater inflater(kLimit);
  EXPECT_EQ(inflater.unpack(Compression::kZstd, skippable + zstd("ab") + skippable + zstd("c")),
            Status::kOk);
  EXPECT_EQ(inflater.output(), "abc");
}

TEST(Inflate, ZstdWindowsAreBounded) {
  // Frame header: magic, descriptor without content size, window descriptor of 2^(10+17).
  const std::string wide = test::hex("28 b5 2f fd 00 88 01 00 00");
  Inflater inflater(kLimit);
  EXPECT_EQ(inflater.unpack(Compression::kZstd, wide), Status::kWindowTooLarge);
  // One of 2^(10+13), 8 MiB, and an empty last block.
  const std::string widest = test::hex("28 b5 2f fd 00 68 01 00 00");
  EXPECT_EQ(inflater.unpack(Compression::kZstd, widest), Status::kOk);
}

// libzstd takes frames of its version 0.7 and older, whose decoders bound no window.
TEST(Inflate, ZstdFramesFromBeforeTheStandardAreRefused) {
  const std::string old = test::hex("27 b5 2f fd 10 0a 00 00 00 00");
  Inflater inflater(kLimit);
  EXPECT_EQ(inflater.unpack(Compression::kZstd, old.substr(0, 9)), Status::kCorrupt);
  EXPECT_EQ(inflater.unpack(Compression::kZstd, old), Status::kCorrupt);
  EXPECT_EQ(inflater.unpack(Compression::kZstd, zstd("ab") + old), Status::kCorrupt);
  EXPECT_EQ(inflater.unpack(Compression::kZstd, zstd("ab")), Status::kOk);
}

TEST(Inflate, MembersMaySplitAnEntry) {
  const std::string packed = test::hex(
      "1f 8b 08 00 00 00 00 00 00 ff 9b 74 2e 35 f8 23 43 e3 c2 3c 46 00 87 ef 0f 03 0a 00 00 00"
      "1f 8b 08 00 00 00 00 00 00 ff 9b 74 9d 21 35 f8 23 03 10 b0 36 2e cc 63 02 00 db 5a e9 4a "
      "0f "
      "00 00 00");
  Inflater inflater(kLimit);
  ASSERT_EQ(inflater.unpack(Compression::kGzip, packed), Status::kOk);
  EXPECT_EQ(
      inflater.output(),
      test::hex("92 ce 65 53 f1 00 81 a1 6e 01 92 d7 00 65 53 f1 00 00 00 00 05 81 a1 6e 02"));
}

}  // namespace
}  // namespace millrace::input
