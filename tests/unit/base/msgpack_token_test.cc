// SPDX-License-Identifier: Apache-2.0
#include "base/msgpack_token.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <msgpack.hpp>
#include <random>
#include <string>

namespace millrace::msgpack_token {
namespace {

// A value in every form that the specification has for it.
std::string any_value(std::mt19937_64& random, int depth) {
  msgpack::sbuffer buffer;
  msgpack::packer<msgpack::sbuffer> packer(buffer);
  const std::string text(random() % (random() % 8 == 0 ? 70000 : 40), 'x');
  const auto size = static_cast<uint32_t>(text.size());
  const auto children = static_cast<uint32_t>(depth > 3 ? 0 : random() % 4);
  switch (random() % 12) {
    case 0:
      packer.pack_nil();
      break;
    case 1:
      packer.pack(random() % 2 == 0);
      break;
    case 2:
      packer.pack(random() >> random() % 64);
      break;
    case 3:
      packer.pack(static_cast<int64_t>(random()) >> random() % 64);
      break;
    case 4:
      packer.pack(1.5F);
      break;
    case 5:
      packer.pack(0.1);
      break;
    case 6:
      packer.pack_bin(size).pack_bin_body(text.data(), size);
      break;
    case 7:
      packer.pack_ext(size, 5).pack_ext_body(text.data(), size);
      break;
    case 8:
      packer.pack_array(children);
      break;
    case 9:
      packer.pack_map(children);
      break;
    default:
      packer.pack(text);
  }
  std::string out(buffer.data(), buffer.size());
  const auto lead = static_cast<uint8_t>(out[0]);
  if (lead < 0x80 || lead >= 0xa0) return out;
  for (uint32_t i = 0; i < children * (lead < 0x90 ? 2 : 1); ++i) {
    out += any_value(random, depth + 1);
  }
  return out;
}

Status skip_of(const std::string& bytes, size_t& skipped) {
  const char* p = bytes.data();
  const Status status = skip(p, bytes.data() + bytes.size());
  skipped = static_cast<size_t>(p - bytes.data());
  return status;
}

TEST(MsgpackToken, ReadsTheHeadsOfEachForm) {
  struct Case {
    std::string bytes;
    Type type;
    uint64_t number;  // value, count or size
  };
  const std::string zeros(32, '\0');
  const Case cases[] = {{"\x7f", Type::kUint, 127},
                        {"\x83", Type::kMap, 3},
                        {"\x92", Type::kArray, 2},
                        {"\xbf" + zeros, Type::kStr, 31},
                        {"\xc0", Type::kNil, 0},
                        {"\xc3", Type::kBool, 1},
                        {"\xcc\xff", Type::kUint, 255},
                        {"\xcd\x01\x02", Type::kUint, 258},
                        {"\xce\x01\x02\x03\x04", Type::kUint, 0x01020304},
                        {"\xd1\x7f\xff", Type::kUint, 32767},
                        {"\xd9\x20" + zeros, Type::kStr, 32},
                        {"\xc4\x02xx", Type::kBin, 2},
                        {"\xd6\x05xxxx", Type::kExt, 4},
                        {"\xc7\x03\x05xxx", Type::kExt, 3},
                        {std::string("\xdc\x00\x05", 3), Type::kArray, 5},
                        {std::string("\xdf\x00\x00\x00\x06", 5), Type::kMap, 6}};
  for (const Case& one : cases) {
    Token token;
    const char* p = one.bytes.data();
    ASSERT_EQ(read(p, p + one.bytes.size(), token), Status::kOk);
    EXPECT_EQ(token.type, one.type);
    const uint64_t number = token.type == Type::kUint   ? token.unsigned_value
                            : token.type == Type::kBool ? uint64_t{token.boolean}
                                                        : token.count;
    EXPECT_EQ(number, one.number);
  }
}

TEST(MsgpackToken, NegativeNumbersKeepTheirSign) {
  for (const auto& [bytes, value] : std::initializer_list<std::pair<std::string, int64_t>>{
           {"\xff", -1}, {"\xe0", -32}, {"\xd0\x80", -128}, {"\xd1\x80\x01", -32767}}) {
    Token token;
    const char* p = bytes.data();
    ASSERT_EQ(read(p, p + bytes.size(), token), Status::kOk);
    EXPECT_EQ(token.type, Type::kInt);
    EXPECT_EQ(token.signed_value, value);
  }
}

TEST(MsgpackToken, TellsTheUnusedByteFromMissingOnes) {
  size_t skipped = 0;
  EXPECT_EQ(skip_of("", skipped), Status::kTruncated);
  EXPECT_EQ(skip_of("\xc1", skipped), Status::kMalformed);
  EXPECT_EQ(skip_of("\x92\x01", skipped), Status::kTruncated);
  EXPECT_EQ(skip_of("\x92\x01\xc1", skipped), Status::kMalformed);
  EXPECT_EQ(skip_of("\xdf\xff\xff\xff\xff\x01", skipped), Status::kTruncated);
  EXPECT_EQ(skipped, 0U);
}

TEST(MsgpackToken, SkipsAnyDepthWithoutRecursion) {
  const std::string deep(10'000'000, '\x91');
  size_t skipped = 0;
  EXPECT_EQ(skip_of(deep, skipped), Status::kTruncated);
  EXPECT_EQ(skip_of(deep + '\x01', skipped), Status::kOk);
  EXPECT_EQ(skipped, deep.size() + 1);
}

RC_GTEST_PROP(MsgpackToken, SkipsExactlyOneValue, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const std::string value = any_value(random, 0);
  size_t skipped = 0;
  RC_ASSERT(skip_of(value + "\xc1", skipped) == Status::kOk);
  RC_ASSERT(skipped == value.size());
  const size_t cut = random() % value.size();
  RC_ASSERT(skip_of(value.substr(0, cut), skipped) == Status::kTruncated);
  RC_ASSERT(skipped == 0U);
}

}  // namespace
}  // namespace millrace::msgpack_token
