// SPDX-License-Identifier: Apache-2.0

// millrace-backlog: writes a long backlog as a killed process would have left it, without the disk
// space: sparse segments of sealed chunks whose bodies are zeros, with their side files. Every CRC
// holds. For measuring a start (scripts/bench-restart).
//
//   millrace-backlog DIRECTORY CHUNKS      chunks of 1 MiB, 63 to a segment

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "buffer/chunk_frames.h"
#include "buffer/segment_file.h"
#include "buffer/side_file.h"
#include "io/real.h"

namespace millrace::bench {
namespace {

using namespace millrace::buffer;

constexpr uint64_t kChunksASegment = 63;
constexpr uint32_t kBodyBytes = kDataPayloadBytesMax;
const std::string kUuid = "a long backlog..";

std::string encoded(FrameHeader header, const LogCrc& crc, uint32_t& chained) {
  std::string bytes(kFrameHeaderBytes, '\0');
  encode(header, crc, bytes.data());
  chained = chain_crc(chained, header.header_crc);
  return bytes;
}

std::string padded(std::string payload) {
  payload.resize(round_up(payload.size(), 8));
  return payload;
}

class Backlog {
 public:
  Backlog(io::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)), crc_(LogCrc::of(kUuid)) {
    zeros_crc_ = crc_(std::string(kBodyBytes, '\0'));
  }

  void write(uint64_t chunks) {
    CHECK(files_.make_directories(directory_));
    for (uint64_t done = 0; done < chunks; done += kChunksASegment) {
      write_segment(std::min(kChunksASegment, chunks - done));
    }
  }

 private:
  void write_segment(uint64_t chunks) {
    Segment segment{.base_lsn = lsn_, .epoch = 1, .name = segment_name(1, lsn_)};
    auto file = files_.open(directory_ + "/" + segment.name, io::OpenMode::kCreate);
    CHECK(file);
    SegmentHeader header{.uuid = kUuid, .base_lsn = lsn_, .epoch = 1, .output_id = "backlog"};
    CHECK((*file)->pwrite(encode(header), 0));
    for (uint64_t i = 0; i < chunks; ++i) write_chunk(**file, segment.base_lsn);
    segment.end_lsn = lsn_;
    segment.file_bytes = kSegmentHeaderBytes + (lsn_ - segment.base_lsn);
    CHECK((*file)->truncate(segment.file_bytes));
    auto side = scan(**file, segment, kUuid);
    CHECK(side);
    CHECK(io::write_whole(files_, directory_ + "/" + side_file_name(1, segment.base_lsn),
                          encode(*side)));
  }

  // One commit of one group: OPEN, the body, SEAL.
  void write_chunk(io::File& file, uint64_t base_lsn) {
    const uint64_t seq = uint64_t{1} << kEpochShift | ++counter_;
    OpenPayload open;
    open.id = ChunkId::make(1'700'000'000'000'000 + counter_, {counter_, 1});
    open.payload_format = kFormatOpaque;
    open.partition_key = open.id.uuid();
    const std::string open_bytes = encode(open);
    uint32_t frames_crc = crc_.seed, chunk_crc = crc_.seed;
    std::string front = encoded({.kind = FrameKind::kOpen,
                                 .payload_bytes = static_cast<uint32_t>(open_bytes.size()),
                                 .chunk_seq = seq,
                                 .payload_crc = crc_(open_bytes)},
                                crc_, frames_crc) +
                        padded(open_bytes);
    const uint64_t data_lsn = lsn_ + kGroupHeaderBytes + front.size();
    const FrameHeader data{.payload_bytes = kBodyBytes,
                           .chunk_seq = seq,
                           .frame_no = 1,
                           .records = 1,
                           .payload_crc = zeros_crc_};
    front += encoded(data, crc_, frames_crc);
    (void)encoded(data, crc_, chunk_crc);
    SealPayload seal{.body_bytes = kBodyBytes, .records = 1, .chunk_crc = chunk_crc};
    seal.frame_lsns = {data_lsn};
    const std::string seal_bytes = encode(seal, open_bytes);
    const std::string back = encoded({.kind = FrameKind::kSeal,
                                      .payload_bytes = static_cast<uint32_t>(seal_bytes.size()),
                                      .chunk_seq = seq,
                                      .frame_no = 2,
                                      .payload_crc = crc_(seal_bytes)},
                                     crc_, frames_crc) +
                             padded(seal_bytes);
    GroupHeader group{.lsn = lsn_,
                      .body_bytes = static_cast<uint32_t>(front.size() + kBodyBytes + back.size()),
                      .frames = 3,
                      .frames_crc = frames_crc};
    std::string head(kGroupHeaderBytes, '\0');
    encode(group, head.data());
    stamp_group(head.data(), crc_, 1, lsn_, kGroupEndsCommit);
    const uint64_t at = kSegmentHeaderBytes + (lsn_ - base_lsn);
    CHECK(file.pwrite(head + front, at));
    CHECK(file.pwrite(back, at + kGroupHeaderBytes + front.size() + kBodyBytes));
    lsn_ = round_up(group.end_lsn(), kBlockBytes);
  }

  io::FileSystem& files_;
  const std::string directory_;
  const LogCrc crc_;
  uint32_t zeros_crc_ = 0;
  uint64_t lsn_ = 0;
  uint64_t counter_ = 0;
};

}  // namespace
}  // namespace millrace::bench

int main(int count, char** words) {
  if (count != 3) {
    std::fputs("usage: millrace-backlog DIRECTORY CHUNKS\n", stderr);
    return 64;
  }
  millrace::io::RealFileSystem files;
  millrace::bench::Backlog(files, words[1]).write(std::strtoull(words[2], nullptr, 10));
  return 0;
}
