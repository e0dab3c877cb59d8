// SPDX-License-Identifier: Apache-2.0
#include "input/forward/frame_splitter.h"

#include <gtest/gtest.h>

#include <random>

#include "base/msgpack_token.h"
#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;
using Status = FrameSplitter::Status;

constexpr uint64_t kLimit = 64 << 20;

// Every form of MessagePack value once, as elements of one array.
std::string every_form() {
  const std::string forms[] = {hex("00"),
                               hex("7f"),
                               hex("ff"),
                               hex("e0"),
                               hex("c0"),
                               hex("c2"),
                               hex("c3"),
                               hex("80"),
                               hex("90"),
                               hex("a0"),
                               hex("a3 61 62 63"),
                               hex("81 a1 61 01"),
                               hex("92 01 91 02"),
                               hex("c4 02 01 02"),
                               hex("c5 0002 01 02"),
                               hex("c6 00000002 01 02"),
                               hex("c7 02 05 01 02"),
                               hex("c8 0002 05 01 02"),
                               hex("c9 00000002 05 01 02"),
                               hex("ca 00000000"),
                               hex("cb 0000000000000000"),
                               hex("cc 01"),
                               hex("cd 0001"),
                               hex("ce 00000001"),
                               hex("cf 0000000000000001"),
                               hex("d0 01"),
                               hex("d1 0001"),
                               hex("d2 00000001"),
                               hex("d3 0000000000000001"),
                               hex("d4 05 01"),
                               hex("d5 05 0102"),
                               hex("d6 05 01020304"),
                               hex("d7 00 0102030405060708"),
                               hex("d8 05 0102030405060708090a0b0c0d0e0f10"),
                               hex("d9 02 61 62"),
                               hex("da 0002 61 62"),
                               hex("db 00000002 61 62"),
                               hex("dc 0001 01"),
                               hex("dd 00000001 01"),
                               hex("de 0001 01 02"),
                               hex("df 00000001 01 02")};
  std::string out = hex("dc 00") + static_cast<char>(std::size(forms));
  for (const std::string& form : forms) out += form;
  return out;
}

TEST(FrameSplitter, FindsTheEndOfEveryForm) {
  const std::string frame = every_form();
  const std::string more = frame + "\x93 more";
  FrameSplitter splitter(kLimit);
  ASSERT_EQ(splitter.scan(more), Status::kFrame);
  EXPECT_EQ(splitter.layout().size, frame.size());
  EXPECT_TRUE(splitter.layout().is_array);
  EXPECT_EQ(splitter.layout().count, 41u);
  EXPECT_EQ(splitter.layout().element(frame, 0), hex("00"));
  EXPECT_EQ(splitter.layout().element(frame, 3), hex("e0"));
}

TEST(FrameSplitter, OneByteAtATimeIsTheSame) {
  const std::string frame = every_form();
  FrameSplitter splitter(kLimit);
  for (size_t size = 0; size < frame.size(); ++size) {
    ASSERT_EQ(splitter.scan(std::string_view(frame).substr(0, size)), Status::kNeedMore) << size;
    EXPECT_LE(splitter.bytes_needed(), frame.size());
  }
  ASSERT_EQ(splitter.scan(frame), Status::kFrame);
  EXPECT_EQ(splitter.scan(frame), Status::kFrame);  // and stays so
  FrameSplitter whole(kLimit);
  ASSERT_EQ(whole.scan(frame), Status::kFrame);
  EXPECT_EQ(splitter.layout().starts, whole.layout().starts);
  splitter.reset();
  EXPECT_EQ(splitter.scan(hex("c0 c0")), Status::kFrame);
  EXPECT_EQ(splitter.layout().size, 1u);
  EXPECT_FALSE(splitter.layout().is_array);
}

TEST(FrameSplitter, ElementsThatHoldOthers) {
  const std::string frame =
      hex("94 a1 74 92 92 01 80 92 02 81 a1 61 90 81 a1 62 91 c0 82 01 02 03 04");
  FrameSplitter splitter(kLimit);
  ASSERT_EQ(splitter.scan(frame), Status::kFrame);
  const FrameLayout& layout = splitter.layout();
  EXPECT_EQ(layout.element(frame, 0), hex("a1 74"));
  EXPECT_EQ(layout.element(frame, 1), hex("92 92 01 80 92 02 81 a1 61 90"));
  EXPECT_EQ(layout.element(frame, 2), hex("81 a1 62 91 c0"));
  EXPECT_EQ(layout.element(frame, 3), hex("82 01 02 03 04"));
}

TEST(FrameSplitter, TellsHowMuchIsMissing) {
  FrameSplitter splitter(kLimit);
  ASSERT_EQ(splitter.scan(hex("93 a1 74 c6 00 01 00 00 01 02")), Status::kNeedMore);
  EXPECT_EQ(splitter.bytes_needed(), 8u + 65536u + 1u);  // and at least one byte of option
}

TEST(FrameSplitter, DeclaredSizesOverTheLimitAreRefusedAtOnce) {
  const std::string begins[] = {hex("92 a1 74 c6 ff ff ff ff"),  // 4 GiB of bin
                                hex("92 a1 74 db ff ff ff ff"), hex("92 a1 74 c9 ff ff ff ff 05"),
                                hex("93 a1 74 01 df ff ff ff ff"),  // 2^32 - 1 pairs
                                hex("92 a1 74 dd ff ff ff ff"), hex("dd ff ff ff ff"),
                                // Nested counts that only exceed it together.
                                hex("dd 01 00 00 00 dd 01 00 00 00 dd 01 00 00 00 dd 01 00 00 00")};
  for (const std::string& begin : begins) {
    FrameSplitter splitter(kLimit);
    EXPECT_EQ(splitter.scan(begin), Status::kTooLarge);
    EXPECT_EQ(splitter.scan(begin + "more"), Status::kTooLarge) << "and it stays so";
  }
}

TEST(FrameSplitter, ExactlyTheLimitIsAccepted) {
  const std::string frame = hex("92 a1 74") + test::bin32(std::string(1000, 'x'));
  FrameSplitter exact(frame.size());
  EXPECT_EQ(exact.scan(frame), Status::kFrame);
  FrameSplitter less(frame.size() - 1);
  EXPECT_EQ(less.scan(frame), Status::kTooLarge);
}

TEST(FrameSplitter, TheUnusedByteIsMalformed) {
  FrameSplitter top(kLimit);
  EXPECT_EQ(top.scan(hex("c1")), Status::kMalformed);
  FrameSplitter inside(kLimit);
  EXPECT_EQ(inside.scan(hex("93 a1 74 c1 80")), Status::kMalformed);
}

TEST(FrameSplitter, DeepNestingCostsNothing) {
  const std::string frame = std::string(1'000'000, '\x91') + '\xc0';
  FrameSplitter splitter(kLimit);
  ASSERT_EQ(splitter.scan(frame), Status::kFrame);
  EXPECT_EQ(splitter.layout().size, frame.size());
}

// Random values, checked against the token reader, which works in another way.
TEST(FrameSplitter, AgreesWithTheTokenReader) {
  std::mt19937 random(7);
  int frames = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(1 + random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (round % 2 == 0) bytes[0] = static_cast<char>(0x90 + random() % 5);
    const char* p = bytes.data();
    const msgpack_token::Status expected = msgpack_token::skip(p, p + bytes.size());
    FrameSplitter splitter(kLimit);
    const Status status = splitter.scan(bytes);
    if (expected == msgpack_token::Status::kOk) {
      ++frames;
      ASSERT_EQ(status, Status::kFrame);
      ASSERT_EQ(splitter.layout().size, static_cast<uint64_t>(p - bytes.data()));
    } else {
      ASSERT_NE(status, Status::kFrame);
    }
  }
  EXPECT_GT(frames, 1000);
}

}  // namespace
}  // namespace millrace::input
