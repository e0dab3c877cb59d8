// SPDX-License-Identifier: Apache-2.0
// The worked example of ARCHITECTURE.md ("The buffer on disk, an example"), byte for byte: what the
// appender lays out, and what the readers make of it.

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "buffer/appender.h"
#include "buffer/chunk_frames.h"
#include "buffer/layout.h"
#include "buffer/position_line.h"
#include "tests/support/scripted_io.h"

namespace millrace::buffer {
namespace {

std::string from_hex(std::string text) {
  std::erase(text, ' ');
  return *hex_decode(text);
}

const std::string kUuid = from_hex("101112131415161718191a1b1c1d1e1f");
const std::string kKey = from_hex("a1a2a3a4a5a6a7a8b1b2b3b4b5b6b7b8");
const std::string kRecords = from_hex("1a0b08001a077b2261223a317d 1a0b08001a077b2261223a327d");
const std::string kPartitionKey = "60a24181-e400-0a1b-2c3d-4e5f60718293";

const std::string kCommit1 = from_hex(
    "4d 52 47 50 1d 20 e0 e1 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 e0 00 00 "
    "00"
    "01 00 01 00 02 00 00 00 fe a9 61 d7 00 f1 53 65 a1 a2 a3 a4 a5 a6 a7 a8 b1 b2 b3 b4 b5 b6 b7 "
    "b8"
    "02 00 00 00 7e 00 00 00 01 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 7b 02 e5 fd 0c 72 1a "
    "6e"
    "60 a2 41 81 e4 00 0a 1b 2c 3d 4e 5f 60 71 82 93 00 40 1e 18 24 0a 06 00 01 01 00 00 2a 00 00 "
    "00"
    "f3 89 9a c2 0a 24 36 30 61 32 34 31 38 31 2d 65 34 30 30 2d 30 61 31 62 2d 32 63 33 64 2d 34 "
    "65"
    "35 66 36 30 37 31 38 32 39 33 24 00 36 30 61 32 34 31 38 31 2d 65 34 30 30 2d 30 61 31 62 2d "
    "32"
    "63 33 64 2d 34 65 35 66 36 30 37 31 38 32 39 33 01 00 03 00 74 61 67 03 00 00 00 77 65 62 00 "
    "00"
    "01 00 00 00 1a 00 00 00 01 00 00 00 00 01 00 00 01 00 00 00 02 00 00 00 f2 4a e3 8a a5 0d e0 "
    "95"
    "1a 0b 08 00 1a 07 7b 22 61 22 3a 31 7d 1a 0b 08 00 1a 07 7b 22 61 22 3a 32 7d 00 00 00 00 00 "
    "00");

const std::string kCommit2 = from_hex(
    "4d 52 47 50 2d 4e 62 1e 00 10 00 00 00 00 00 00 00 10 00 00 00 00 00 00 01 00 00 00 d0 00 00 "
    "00"
    "02 00 01 00 01 00 00 00 4b ed 93 02 00 f1 53 65 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
    "00"
    "03 00 00 00 b0 00 00 00 01 00 00 00 00 01 00 00 02 00 00 00 00 00 00 00 ce a3 72 65 36 77 78 "
    "79"
    "1a 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 40 8b 6a 18 24 0a 06 00 01 00 00 00 f5 d9 a9 "
    "0d"
    "02 00 00 00 7e 00 00 00 60 a2 41 81 e4 00 0a 1b 2c 3d 4e 5f 60 71 82 93 00 40 1e 18 24 0a 06 "
    "00"
    "01 01 00 00 2a 00 00 00 f3 89 9a c2 0a 24 36 30 61 32 34 31 38 31 2d 65 34 30 30 2d 30 61 31 "
    "62"
    "2d 32 63 33 64 2d 34 65 35 66 36 30 37 31 38 32 39 33 24 00 36 30 61 32 34 31 38 31 2d 65 34 "
    "30"
    "30 2d 30 61 31 62 2d 32 63 33 64 2d 34 65 35 66 36 30 37 31 38 32 39 33 01 00 03 00 74 61 67 "
    "03"
    "00 00 00 77 65 62 00 00 e0 00 00 00 00 00 00 00");

// Counts the calls: the group of the second commit was built at the first second, sealed at the
// fifth.
class ExampleClock : public io::Clock {
 public:
  uint64_t running_ms() override { return 1000; }
  uint64_t wall_us() override { return 1'700'000'000'000'000 + (++calls_ > 3 ? 5'000'000U : 0U); }

 private:
  int calls_ = 0;
};

std::string content(Batch& batch) {
  std::string bytes;
  std::vector<iovec> content;
  batch.add_content(content);
  for (const iovec& part : content) {
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  return bytes;
}

TEST(LayoutExample, SegmentHeader) {
  const std::string bytes = encode(SegmentHeader{.uuid = kUuid,
                                                 .base_lsn = 0,
                                                 .epoch = 1,
                                                 .worker_id = 0,
                                                 .capacity = 4 << 20,
                                                 .created_us = 0x060a24181e4000,
                                                 .key_seed = 0x0123456789abcdef,
                                                 .output_id = "out_kinesis"});
  EXPECT_EQ(
      hex_encode(bytes.substr(0, 96)),
      hex_encode(from_hex(
          "4d 52 41 43 45 53 45 47 01 00 01 00 00 10 00 00 10 11 12 13 14 15 16 17 18 19 1a 1b"
          "1c 1d 1e 1f 00 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 40 00 00 00 00 00"
          "00 40 1e 18 24 0a 06 00 ef cd ab 89 67 45 23 01 01 00 0b 00 6f 75 74 5f 6b 69 6e 65"
          "73 69 73 00 00 00 00 00 00 00 00 00")));
  EXPECT_EQ(hex_encode(bytes.substr(4092)), "a17b8f6e");
  SegmentHeader read;
  EXPECT_EQ(decode(bytes, read), HeaderState::kValid);
  EXPECT_EQ(read.output_id, "out_kinesis");
}

TEST(LayoutExample, TwoCommits) {
  testing::ScriptedRandom random;
  random.values = {0xa1b, 0x2c3d4e5f60718293};
  ExampleClock clock;
  io::RealFileSystem files;
  BlockPool pool;
  Appender appender(io::Io{files, clock, random}, pool, LogCrc::of(kUuid), 1, 0);
  ChunkProfile profile{.payload_format = kFormatKplIndex0,
                       .tail = TailKind::kMd5,
                       .chunk_bytes_max = 300 << 10,
                       .record_bytes_max = 1 << 20,
                       .head = [](const ChunkId& id) {
                         return HeadAndKey{"\xf3\x89\x9a\xc2\x0a\x24" + id.uuid(), id.uuid()};
                       }};
  const Metadata metadata{{"tag", "web"}};
  const StageTarget target{.stage_key = "web", .metadata = &metadata, .profile = &profile};
  RequestKey key;
  std::copy(kKey.begin(), kKey.end(), key.begin());
  appender.begin(7, key);
  appender.put(target, std::string_view(kRecords).substr(0, 13));
  appender.put(target, std::string_view(kRecords).substr(13));
  appender.end();
  auto first = appender.close_batch();
  first->stamp(LogCrc::of(kUuid), 1);
  const std::string bytes1 = content(*first);
  EXPECT_EQ(bytes1.size(), 4096U);
  EXPECT_EQ(hex_encode(bytes1.substr(0, kCommit1.size())), hex_encode(kCommit1));
  EXPECT_EQ(bytes1.find_first_not_of('\0', kCommit1.size()), std::string::npos);
  EXPECT_EQ(first->requests, std::vector<uint64_t>{7});

  EXPECT_EQ(appender.seal_all(SealReason::kInterval), 1U);
  auto second = appender.close_batch();
  second->stamp(LogCrc::of(kUuid), 1);
  const std::string bytes2 = content(*second);
  EXPECT_EQ(hex_encode(bytes2.substr(0, kCommit2.size())), hex_encode(kCommit2));
  ASSERT_EQ(second->sealed.size(), 1U);
  EXPECT_EQ(second->sealed[0].id.uuid(), kPartitionKey);
  EXPECT_EQ(second->sealed[0].seal_lsn, 4096U + 64);
}

TEST(LayoutExample, PositionFile) {
  const LogCrc crc = LogCrc::of(kUuid);
  EXPECT_EQ(crc.seed, 0xa70f5a6bU);
  const std::string header = encode(PositionHeader{
      .uuid = kUuid, .highest_epoch = 1, .highest_chunk_seq = 0x0000010000000001, .first_lsn = 0});
  const std::string expected =
      "MRPOS1 101112131415161718191a1b1c1d1e1f 00000001 0000010000000001 0000000000000000 dde71dcd";
  EXPECT_EQ(header.substr(0, expected.size()), expected);
  EXPECT_EQ(header.size(), 4096U);
  EXPECT_EQ(header.back(), '\n');
  const std::string line =
      encode(PositionLine{.kind = 'C',
                          .chunk_seq = 0x0000010000000001,
                          .id = ChunkId::from_bytes(from_hex("60a24181e4000a1b2c3d4e5f60718293")),
                          .attempts = 1,
                          .milliseconds = 1700000006000},
             crc);
  EXPECT_EQ(line,
            "C 0000010000000001 60a24181e4000a1b2c3d4e5f60718293 0001 1700000006000 caee9687\n");
  PositionLine read;
  EXPECT_TRUE(decode(line, crc, read));
  EXPECT_EQ(read.attempts, 1U);
}

}  // namespace
}  // namespace millrace::buffer
