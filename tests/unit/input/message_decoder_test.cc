// SPDX-License-Identifier: Apache-2.0
#include "input/forward/message_decoder.h"

#include <gtest/gtest.h>

#include "tests/support/bytes.h"

namespace millrace::input {
namespace {

using test::hex;
using Kind = Decoded::Kind;

// Parts of the frames below: tag "test", a time, {"a":1}, the option {"chunk":"c1"}.
const std::string kX = hex("a4 74 65 73 74");
const std::string kT = hex("ce 65 53 f1 00");
const std::string kA1 = hex("81 a1 61 01");
const std::string kC = hex("81 a5 63 68 75 6e 6b a2 63 31");

struct Frame {
  std::string bytes;
  Decoded decoded;
  explicit Frame(std::string all) : bytes(std::move(all)) {
    FrameSplitter splitter(64 << 20);
    EXPECT_EQ(splitter.scan(bytes), FrameSplitter::Status::kFrame);
    EXPECT_EQ(splitter.layout().size, bytes.size());
    decoded = decode_frame(bytes, splitter.layout());
  }
};

TEST(MessageDecoder, MessageMode) {
  const Frame frame(hex("93") + kX + kT + kA1);
  const Message& message = frame.decoded.message;
  EXPECT_EQ(frame.decoded.kind, Kind::kMessage);
  EXPECT_EQ(message.mode, Mode::kMessage);
  EXPECT_EQ(message.shape, Shape::kPair);
  EXPECT_EQ(message.tag, "test");
  EXPECT_EQ(message.entries, kT + kA1);
  EXPECT_FALSE(message.has_chunk);
  EXPECT_TRUE(frame.decoded.ack_value.empty());
}

TEST(MessageDecoder, MessageModeWithOption) {
  for (const std::string& tail : {std::string(), hex("a1 7a"), hex("c0 81 01 02")}) {
    const char lead = static_cast<char>(0x94 + (tail.empty() ? 0 : tail.size() == 2 ? 1 : 2));
    const Frame frame(lead + kX + kT + kA1 + kC + tail);
    EXPECT_EQ(frame.decoded.message.entries, kT + kA1);
    EXPECT_EQ(frame.decoded.message.chunk, "c1");
    EXPECT_TRUE(frame.decoded.message.has_chunk);
    EXPECT_EQ(frame.decoded.ack_value, hex("a2 63 31"));
  }
  for (const std::string& none : {hex("c0"), hex("80")}) {
    const Frame frame(hex("94") + kX + kT + kA1 + none);
    EXPECT_EQ(frame.decoded.kind, Kind::kMessage);
    EXPECT_FALSE(frame.decoded.message.has_chunk);
    EXPECT_FALSE(frame.decoded.odd_option);
  }
}

TEST(MessageDecoder, ForwardMode) {
  const std::string entries = hex("92") + kT + kA1 + hex("92") + kT + kA1;
  const Frame plain(hex("92") + kX + hex("92") + entries);
  EXPECT_EQ(plain.decoded.message.mode, Mode::kForward);
  EXPECT_EQ(plain.decoded.message.shape, Shape::kEntries);
  EXPECT_EQ(plain.decoded.message.entries, entries);
  const Frame acked(hex("93") + kX + hex("dd 00 00 00 02") + entries + kC);
  EXPECT_EQ(acked.decoded.message.entries, entries);
  EXPECT_EQ(acked.decoded.ack_value, hex("a2 63 31"));
  const Frame empty(hex("93") + kX + hex("90") + kC);
  EXPECT_EQ(empty.decoded.kind, Kind::kMessage);
  EXPECT_EQ(empty.decoded.message.entries, "");
  EXPECT_EQ(empty.decoded.ack_value, hex("a2 63 31"));
}

TEST(MessageDecoder, PackedForwardMode) {
  const std::string entry = hex("92") + kT + kA1;
  for (const std::string& header : {hex("c4 0a"), hex("c6 00 00 00 0a"), hex("db 00 00 00 0a")}) {
    const Frame frame(hex("93") + kX + header + entry + kC);
    EXPECT_EQ(frame.decoded.message.mode, Mode::kPacked);
    EXPECT_EQ(frame.decoded.message.shape, Shape::kEntries);
    EXPECT_EQ(frame.decoded.message.entries, entry);
    EXPECT_EQ(frame.decoded.ack_value, hex("a2 63 31"));
  }
  const Frame bare(hex("92") + kX + hex("aa") + entry);
  EXPECT_EQ(bare.decoded.message.entries, entry);
}

std::string packed_with(const std::string& option) {
  return hex("93") + kX + hex("c4 02 01 02") + option;
}

TEST(MessageDecoder, CompressedOption) {
  const std::string key = hex("81 aa 63 6f 6d 70 72 65 73 73 65 64");
  const struct {
    std::string value;
    Kind kind;
    Mode mode;
    Compression compression;
  } cases[] = {
      {"\xa4gzip", Kind::kMessage, Mode::kCompressed, Compression::kGzip},
      {"\xc4\x04gzip", Kind::kMessage, Mode::kCompressed, Compression::kGzip},
      {"\xa4zstd", Kind::kMessage, Mode::kCompressed, Compression::kZstd},
      {"\xa4text", Kind::kMessage, Mode::kPacked, Compression::kNone},
      {"\xc0", Kind::kMessage, Mode::kPacked, Compression::kNone},
      {"\xa3lz4", Kind::kUnknownCompression, Mode::kPacked, Compression::kNone},
      {"\xa4GZIP", Kind::kUnknownCompression, Mode::kPacked, Compression::kNone},
      {"\xa0", Kind::kUnknownCompression, Mode::kPacked, Compression::kNone},
      {"\x01", Kind::kUnknownCompression, Mode::kPacked, Compression::kNone},
  };
  for (const auto& c : cases) {
    const Frame frame(packed_with(key + c.value));
    EXPECT_EQ(frame.decoded.kind, c.kind) << c.value;
    EXPECT_EQ(frame.decoded.message.mode, c.mode) << c.value;
    EXPECT_EQ(frame.decoded.compression, c.compression) << c.value;
  }
  // Elsewhere than over a payload it says nothing.
  const Frame message(hex("94") + kX + kT + kA1 + key + "\xa3lz4");
  EXPECT_EQ(message.decoded.kind, Kind::kMessage);
  EXPECT_EQ(message.decoded.compression, Compression::kNone);
}

TEST(MessageDecoder, OptionMapOfAnyWidth) {
  const std::string pairs = hex("a4 73 69 7a 65 01 ad") + "fluent_signal" + hex("00");
  for (const std::string& header : {hex("82"), hex("de 00 02"), hex("df 00 00 00 02")}) {
    const Frame frame(packed_with(header + pairs));
    EXPECT_EQ(frame.decoded.kind, Kind::kMessage);
    EXPECT_TRUE(frame.decoded.message.has_size_option);
    EXPECT_EQ(frame.decoded.message.size_option, 1u);
  }
}

TEST(MessageDecoder, ChunkValuesAreKeptByteForByte) {
  const std::string key = hex("81 a5 63 68 75 6e 6b");
  const std::string long_value = hex("da 04 00") + std::string(1024, 'c');
  const struct {
    std::string value;
    std::string ack_value;
    std::string chunk;
    bool odd;
  } cases[] = {
      {hex("4d"), hex("4d"), hex("a5 63 68 75 6e 6b 4d"), false},
      {hex("a1 4d"), hex("a1 4d"), "M", false},  // another chunk than the number before
      {hex("d1 ff 00"), hex("d1 ff 00"), hex("a5 63 68 75 6e 6b d1 ff 00"), false},
      {hex("c4 02 01 02"), hex("c4 02 01 02"), hex("01 02"), false},
      {hex("d9 02 63 31"), hex("d9 02 63 31"), "c1", false},
      {hex("a0"), hex("a0"), "", false},
      {hex("c0"), "", "", false},
      {hex("c2"), "", "", false},
      {hex("c3"), "", "", true},
      {hex("cb 3f f0 00 00 00 00 00 00"), "", "", true},
      {hex("91 01"), "", "", true},
      {hex("d4 01 02"), "", "", true},
      {long_value, long_value, std::string(1024, 'c'), false},
      {hex("da 04 01") + std::string(1025, 'c'), "", "", true},
  };
  for (const auto& c : cases) {
    const Frame frame(packed_with(key + c.value));
    EXPECT_EQ(frame.decoded.kind, Kind::kMessage);
    EXPECT_EQ(frame.decoded.ack_value, c.ack_value);
    EXPECT_EQ(frame.decoded.message.chunk, c.chunk);
    EXPECT_EQ(frame.decoded.message.has_chunk, !c.ack_value.empty());
    EXPECT_EQ(frame.decoded.odd_option, c.odd);
  }
}

TEST(MessageDecoder, TheLastOfEqualKeysCounts) {
  const std::string chunk = hex("a5 63 68 75 6e 6b");
  EXPECT_EQ(Frame(packed_with(hex("82") + chunk + hex("01") + chunk + hex("02"))).decoded.ack_value,
            hex("02"));
  EXPECT_EQ(Frame(packed_with(hex("82") + chunk + hex("01") + chunk + hex("c0"))).decoded.ack_value,
            "");
  const std::string compressed = hex("aa 63 6f 6d 70 72 65 73 73 65 64");
  EXPECT_EQ(
      Frame(packed_with(hex("82") + compressed + "\xa3lz4" + compressed + "\xa4text")).decoded.kind,
      Kind::kMessage);
}

TEST(MessageDecoder, KeysAndValuesOfOtherKindsArePassedOver) {
  const std::string option = hex("86 01 02 c0 c0 92 01 02 03 81 01 91 02 05") + "\xa8metadata" +
                             hex("81 a1 6b 92 01 02") +
                             "\xc4\x05"
                             "chunk" +
                             hex("a2 63 31");
  const Frame frame(packed_with(option));
  EXPECT_EQ(frame.decoded.kind, Kind::kMessage);
  EXPECT_EQ(frame.decoded.ack_value, hex("a2 63 31"));
}

TEST(MessageDecoder, OptionsThatAreNoMapCountAsNone) {
  for (const std::string& option :
       {hex("07"), hex("91 a5 63 68 75 6e 6b"), hex("a5 63 68 75 6e 6b")}) {
    const Frame frame(packed_with(option));
    EXPECT_EQ(frame.decoded.kind, Kind::kMessage);
    EXPECT_TRUE(frame.decoded.ack_value.empty());
    EXPECT_TRUE(frame.decoded.odd_option);
  }
}

TEST(MessageDecoder, OtherSignalsAreDroppedAndAnswered) {
  const std::string option = hex("82 ad") + "fluent_signal" + hex("01 a5 63 68 75 6e 6b a2 63 31");
  const Frame frame(packed_with(option));
  EXPECT_EQ(frame.decoded.kind, Kind::kNotLogs);
  EXPECT_EQ(frame.decoded.ack_value, hex("a2 63 31"));
}

TEST(MessageDecoder, WithoutTagOrRecordThereIsNothingToStore) {
  EXPECT_EQ(Frame(hex("90")).decoded.kind, Kind::kNoEvents);
  EXPECT_EQ(Frame(hex("91") + kX).decoded.kind, Kind::kNoEvents);
  EXPECT_EQ(Frame(hex("92") + kX + kT).decoded.kind, Kind::kNoEvents);
  const Frame nil_tag(hex("94 c0") + kT + kA1 + kC);
  EXPECT_EQ(nil_tag.decoded.kind, Kind::kNoEvents);
  EXPECT_EQ(nil_tag.decoded.ack_value, hex("a2 63 31"));
  const Frame int_tag(hex("93 05 c4 02 01 02") + kC);
  EXPECT_EQ(int_tag.decoded.kind, Kind::kNoEvents);
  EXPECT_EQ(int_tag.decoded.ack_value, hex("a2 63 31"));
  EXPECT_EQ(Frame(hex("93 c4 02 61 62") + kT + kA1).decoded.message.tag, "ab");
}

TEST(MessageDecoder, TagsAreBytes) {
  EXPECT_EQ(Frame(hex("93 a0") + kT + kA1).decoded.message.tag, "");
  EXPECT_EQ(Frame(hex("93 a3 61 00 ff") + kT + kA1).decoded.message.tag,
            std::string_view("a\0\xff", 3));
}

TEST(MessageDecoder, TopLevelValues) {
  EXPECT_EQ(Frame(hex("c0")).decoded.kind, Kind::kNothing);
  EXPECT_EQ(Frame(hex("92 a0 90")).decoded.kind, Kind::kNothing);
  for (const std::string& other : {hex("05"), hex("81 01 02"), hex("a1 61"), hex("c3")}) {
    EXPECT_EQ(Frame(other).decoded.kind, Kind::kNotMessage);
  }
}

// What a message of which only the begin has arrived says of its log.
TEST(MessageDecoder, TheTagIsKnownOnceItHasArrived) {
  for (const std::string& tag : {kX, hex("d9 04 74 65 73 74"), hex("c4 04 74 65 73 74")}) {
    const std::string frame = hex("93") + tag + kT + kA1;
    FrameSplitter splitter(64 << 20);
    for (size_t size = 1; size < frame.size(); ++size) {
      const std::string_view begun = std::string_view(frame).substr(0, size);
      ASSERT_EQ(splitter.scan(begun), FrameSplitter::Status::kNeedMore);
      const auto told = tag_of(begun, splitter.layout());
      EXPECT_EQ(told.has_value(), size >= 1 + tag.size()) << size;
      EXPECT_EQ(told.value_or("test"), "test");
    }
  }
  for (const std::string& other : {hex("93 05") + kT, hex("91") + kX, hex("82") + kX + kT}) {
    FrameSplitter splitter(64 << 20);
    splitter.scan(other);
    EXPECT_FALSE(tag_of(other, splitter.layout()));
  }
}

}  // namespace
}  // namespace millrace::input
