// SPDX-License-Identifier: Apache-2.0
#pragma once

// Judges a SegmentScanner by a segment of which everything is known: it must read every group,
// frame and payload that still holds, field by field, and nothing else.

#include <optional>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "buffer/segment_scanner.h"
#include "tests/fuzz/damaged_segment.h"
#include "tests/fuzz/log_story.h"
#include "tests/support/memory_files.h"

namespace millrace::testing {

class ScannerJudge {
 public:
  ScannerJudge(const DamagedSegment& there, const LogStory& story)
      : there_(there), story_(story), file_(open_segment()), other_(scanner()) {}

  buffer::SegmentScanner scanner() {
    return {*file_, buffer::LogCrc::of(LogStory::kUuid), there_.base_lsn(), there_.end_lsn(),
            there_.written().header().epoch};
  }

  /// As recovery walks; over each damage to the next group that has a good header.
  void walk(bool check_payloads) {
    buffer::SegmentScanner reader = scanner();
    const std::vector<WrittenGroup>& groups = there_.groups();
    for (size_t i = 0; i < groups.size() && groups[i].lsn < there_.end_lsn();) {
      CHECK(reader.lsn() == groups[i].lsn);
      const auto read = reader.next(check_payloads);
      const bool expected =
          check_payloads ? there_.holds(groups[i]) : there_.holds_but_payloads(groups[i]);
      CHECK(read && read->has_value() == expected);
      if (!expected) {
        i = pass_damage(reader, i);
        continue;
      }
      check_group(**read, groups[i]);
      for (const WrittenFrame& frame : groups[i].frames) check_payload(frame);
      CHECK(reader.lsn() == std::min(groups[i].next_lsn, there_.end_lsn()));
      ++i;
    }
    if (reader.lsn() == there_.end_lsn()) return;
    // Reserved and not written, or damage there.
    CHECK(!*reader.next(check_payloads) && !*reader.find_group(reader.lsn()));
    CHECK(reader.find_frames(reader.lsn(), there_.end_lsn())->empty());
    CHECK(*reader.all_zero(reader.lsn(), there_.end_lsn()) || there_.is_damaged());
  }

 private:
  std::unique_ptr<io::File> open_segment() {
    files_.put("/segment", there_.file());
    return std::move(*files_.open("/segment", io::OpenMode::kRead));
  }

  // The index of the group where it goes on.
  size_t pass_damage(buffer::SegmentScanner& reader, size_t bad) {
    const std::vector<WrittenGroup>& groups = there_.groups();
    size_t next = bad + 1;
    while (next < groups.size() && !there_.header_holds(groups[next])) ++next;
    const bool is_there = next < groups.size();
    const auto found = reader.find_group(groups[bad].lsn + 8);
    CHECK(found && found->has_value() == is_there);
    CHECK(!is_there || (*found)->lsn == groups[next].lsn);
    const uint64_t to = is_there ? groups[next].lsn : there_.end_lsn();
    const auto frames = reader.find_frames(groups[bad].lsn, to);
    CHECK(frames);
    auto frame = frames->begin();
    for (size_t i = bad; i < next; ++i) {
      for (const WrittenFrame& written : groups[i].frames) {
        if (!there_.holds(written)) continue;
        CHECK(frame != frames->end());
        check_frame(*frame++, written);
      }
    }
    CHECK(frame == frames->end());
    reader.move_to(to);
    return next;
  }

  static void check_frame(const buffer::ScannedFrame& read, const WrittenFrame& frame) {
    CHECK(read.lsn == frame.lsn && static_cast<uint8_t>(read.header.kind) == frame.kind);
    CHECK(read.header.flags == 0 && read.header.payload_bytes == frame.payload.size());
    CHECK(read.header.chunk_seq == frame.chunk_seq && read.header.frame_no == frame.frame_no);
    CHECK(read.header.records == frame.records && read.header.header_crc == frame.header_crc);
  }

  static void check_group(const buffer::ScannedGroup& read, const WrittenGroup& group) {
    const buffer::GroupHeader& header = read.header;
    CHECK(header.lsn == group.lsn && header.commit_lsn == group.commit_lsn);
    CHECK(header.end_lsn() == group.end_lsn && static_cast<uint64_t>(header.type) == group.type);
    CHECK(header.flags == (group.ends_commit ? 1 : 0) && header.built_unix == group.built);
    CHECK(std::string_view(header.key, sizeof header.key) == group.key);
    CHECK(read.frames.size() == group.frames.size() && header.frames == group.frames.size());
    for (size_t i = 0; i < read.frames.size(); ++i) check_frame(read.frames[i], group.frames[i]);
  }

  void check_payload(const WrittenFrame& frame) {
    const auto at = other_.frame_at(frame.lsn);
    CHECK(at && *at);
    check_frame(**at, frame);
    const auto read = other_.read_frame(frame.lsn);
    CHECK(read && read->has_value() == there_.payload_holds(frame));
    if (!*read) return;
    CHECK((*read)->payload == frame.payload);
    const StoryChunk& chunk = story_.chunks.at(frame.chunk_seq);
    buffer::OpenPayload open;
    buffer::SealPayload seal;
    if (frame.kind == 2) {
      CHECK(decode((*read)->payload, open));
      check_open(open, chunk.open);
    } else if (frame.kind == 3) {
      CHECK(decode((*read)->payload, seal));
      check_open(seal.open, chunk.open);
      CHECK(seal.body_bytes == chunk.seal.body_bytes && seal.records == chunk.seal.records);
      CHECK(seal.sealed_us == chunk.seal.sealed_us);
      CHECK(seal.frame_lsns == chunk.seals.at(frame.lsn));
      CHECK(seal.chunk_crc == crc_in_log(LogStory::kUuid, chunk.seal.frame_crcs));
      CHECK(static_cast<uint8_t>(seal.reason) == chunk.seal.reason);
    }
  }

  static void check_open(const buffer::OpenPayload& read, const OpenFields& open) {
    CHECK(read.id.view() == open.id && read.created_us == open.created_us);
    CHECK(read.payload_format == open.payload_format && read.head == open.head);
    CHECK(static_cast<uint8_t>(read.tail) == open.tail);
    CHECK(static_cast<uint8_t>(read.kind) == open.kind);
    CHECK(static_cast<uint8_t>(read.dead_reason) == open.dead_reason);
    CHECK(read.partition_key == open.partition_key && read.metadata == open.metadata);
  }

  const DamagedSegment& there_;
  const LogStory& story_;
  MemoryFileSystem files_;
  std::unique_ptr<io::File> file_;
  buffer::SegmentScanner other_;
};

}  // namespace millrace::testing
