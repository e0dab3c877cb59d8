// SPDX-License-Identifier: Apache-2.0
// Any bytes as the groups of a segment, as they are or with every CRC made right: no group out of
// order or past the end, no frame whose payload does not hold, the same answer every time, and the
// writer makes the same headers of what was read. The same bytes as a segment's own header.
// The first byte chooses: 1 = make the CRCs right, 2 = the segment starts at a high lsn. 'W': the
// rest tells what a log holds and where one segment of it is damaged; all that holds is read.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "buffer/chunk_frames.h"
#include "buffer/segment_scanner.h"
#include "tests/fuzz/scanner_judge.h"
#include "tests/support/log_crcs.h"
#include "tests/support/memory_files.h"

namespace {

using namespace millrace::buffer;
using millrace::testing::MemoryFileSystem;

constexpr std::string_view kUuid = "fuzzed log uuid.";
constexpr uint64_t kHighLsn = 0x7f0000001000;

// The example's reader and writer of OPEN and SEAL agree.
void check_payload(const ScannedFrame& frame, const std::string& payload) {
  OpenPayload open;
  if (frame.header.kind == FrameKind::kOpen && decode(payload, open)) {
    CHECK(payload.size() > kOpenPayloadBytesMax || encode(open) == payload);
  }
  SealPayload seal;
  if (frame.header.kind == FrameKind::kSeal && decode(payload, seal)) {
    SealPayload again;
    CHECK(decode(encode(seal, encode(seal.open)), again));
    CHECK(again.frame_lsns == seal.frame_lsns && again.body_bytes == seal.body_bytes);
  }
}

// What was read is all there is: written again it is the same bytes.
void check_header(const GroupHeader& header, std::string_view there, const LogCrc& crc) {
  char again[kGroupHeaderBytes];
  encode(header, again);
  stamp_group(again, crc, header.epoch, header.commit_lsn, header.flags);
  CHECK(std::string_view(again, sizeof again) == there.substr(0, sizeof again));
}

void check_header(FrameHeader header, std::string_view there, const LogCrc& crc) {
  char again[kFrameHeaderBytes];
  encode(header, crc, again);
  CHECK(std::string_view(again, sizeof again) == there.substr(0, sizeof again));
}

// Bytes behind the output's id and those that are reserved may be anything.
void check_segment_header(std::string bytes) {
  bytes.resize(kSegmentHeaderBytes);
  bytes.replace(0, kSegmentMagic.size(), kSegmentMagic);
  millrace::testing::forge_segment_header(bytes, LogCrc::of(bytes.substr(16, 16)));
  SegmentHeader header;
  if (decode(bytes, header) != HeaderState::kValid) return;
  SegmentHeader again;
  CHECK(decode(encode(header), again) == HeaderState::kValid);
  CHECK(again.uuid == header.uuid && again.output_id == header.output_id);
  CHECK(again.base_lsn == header.base_lsn && again.epoch == header.epoch);
  CHECK(again.worker_id == header.worker_id && again.capacity == header.capacity);
  CHECK(again.created_us == header.created_us && again.key_seed == header.key_seed);
}

class Segment {
 public:
  Segment(std::string groups, uint64_t base_lsn)
      : bytes_(std::string(kSegmentHeaderBytes, '\0') + std::move(groups)), base_lsn_(base_lsn) {
    files_.put("/segment", bytes_);
    file_ = std::move(*files_.open("/segment", millrace::io::OpenMode::kRead));
  }

  SegmentScanner scanner() {
    return {*file_, crc_, base_lsn_, base_lsn_ + bytes_.size() - kSegmentHeaderBytes, 1};
  }

  void check_frame(SegmentScanner& scanner, const ScannedFrame& frame, uint64_t from, uint64_t to) {
    CHECK(frame.lsn >= from && frame.lsn + frame.header.padded_bytes() <= to);
    const std::string_view payload = std::string_view(bytes_).substr(
        frame.lsn - base_lsn_ + kSegmentHeaderBytes + kFrameHeaderBytes,
        frame.header.payload_bytes);
    CHECK(crc_(payload) == frame.header.payload_crc);
    check_header(frame.header, at(frame.lsn), crc_);
    auto read = scanner.payload(frame);
    CHECK(read && *read && **read == payload);
    check_payload(frame, **read);
  }

  // As recovery walks: groups, and where there is none the intact frames up to the next.
  size_t walk(bool check_payloads) {
    SegmentScanner reader = scanner();
    SegmentScanner other = scanner();
    size_t found = 0;
    while (reader.lsn() < reader.end_lsn()) {
      const uint64_t from = reader.lsn();
      auto group = reader.next(check_payloads);
      CHECK(group);
      if (*group) {
        const uint64_t end = (*group)->header.end_lsn();
        CHECK((*group)->header.lsn == from && end <= reader.lsn() && reader.lsn() > from);
        CHECK((*group)->frames.size() == (*group)->header.frames);
        check_header((*group)->header, at(from), crc_);
        for (const ScannedFrame& frame : (*group)->frames) {
          if (check_payloads) check_frame(other, frame, from, end);
        }
        found += (*group)->frames.size() + 1;
        continue;
      }
      auto next = reader.find_group(from + 8);
      CHECK(next);
      const uint64_t to = *next ? (*next)->lsn : reader.end_lsn();
      CHECK(to > from && to <= reader.end_lsn());
      auto frames = reader.find_frames(from, to);
      CHECK(frames);
      uint64_t at = from;
      for (const ScannedFrame& frame : *frames) {
        check_frame(other, frame, at, to);
        at = frame.lsn + frame.header.padded_bytes();
      }
      found += frames->size();
      reader.move_to(to);
    }
    return found;
  }

 private:
  std::string_view at(uint64_t lsn) const {
    return std::string_view(bytes_).substr(lsn - base_lsn_ + kSegmentHeaderBytes);
  }

  const std::string bytes_;
  const uint64_t base_lsn_;
  const LogCrc crc_ = LogCrc::of(kUuid);
  MemoryFileSystem files_;
  std::unique_ptr<millrace::io::File> file_;
};

// With right CRCs a group must also say where it lies; the lsn is made right with them.
std::string forged(std::string groups, uint64_t base_lsn) {
  for (size_t at = 0; at + kGroupHeaderBytes <= groups.size(); at += 8) {
    if (std::string_view(groups).substr(at, 4) != kGroupMagic) continue;
    millrace::store_le<uint64_t>(groups.data() + at + 8, base_lsn + at);
    millrace::store_le<uint64_t>(groups.data() + at + 16, base_lsn);
    millrace::store_le<uint32_t>(groups.data() + at + 24, 1);
  }
  std::string file = std::string(kSegmentHeaderBytes, '\0') + groups;
  millrace::testing::forge_segment(file, LogCrc::of(kUuid));
  return file.substr(kSegmentHeaderBytes);
}

void check_read_fields(const millrace::testing::SegmentHeaderFields& written, size_t flipped) {
  SegmentHeader header;
  std::string bytes = millrace::testing::bytes_of(written);
  CHECK(decode(bytes, header) == HeaderState::kValid);
  CHECK(header.uuid == written.uuid && header.output_id == written.output_id);
  CHECK(header.base_lsn == written.base_lsn && header.epoch == written.epoch);
  CHECK(header.worker_id == written.worker_id && header.capacity == written.capacity);
  CHECK(header.created_us == written.created_us && header.key_seed == written.key_seed);
  bytes[flipped] ^= 1;
  CHECK(decode(bytes, header) == HeaderState::kInvalid);
  millrace::testing::SegmentHeaderFields newer = written;
  newer.reader_version = 2;
  CHECK(decode(millrace::testing::bytes_of(newer), header) == HeaderState::kNewerVersion);
}

void judge_story(millrace::testing::Choices choices) {
  const size_t flipped = choices.below(kSegmentHeaderBytes);
  const size_t chosen = choices.below(8);
  const uint64_t reserved = kBlockBytes * choices.below(4);
  millrace::testing::Choices fault(choices.take(12));
  millrace::testing::LogStory story(choices);
  millrace::testing::DamagedSegment segment(story.segments[chosen % story.segments.size()],
                                            reserved);
  check_read_fields(segment.written().header(), flipped);
  segment.damage(fault);
  millrace::testing::ScannerJudge judge(segment, story);
  judge.walk(true);
  judge.walk(false);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  if (data[0] == millrace::testing::kTells) {
    judge_story(millrace::testing::Choices({reinterpret_cast<const char*>(data) + 1, size - 1}));
    return 0;
  }
  const uint64_t base_lsn = (data[0] & 2) != 0 ? kHighLsn : 0;
  std::string groups(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_segment_header(groups);
  if ((data[0] & 1) != 0) groups = forged(std::move(groups), base_lsn);
  Segment segment(std::move(groups), base_lsn);
  const size_t strict = segment.walk(true);
  CHECK(strict == segment.walk(true));
  segment.walk(false);
  return 0;
}
