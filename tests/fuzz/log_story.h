// SPDX-License-Identifier: Apache-2.0
#pragma once

// A log as a healthy process leaves it, told by the fuzzer's bytes: requests that open chunks and
// put records into them, SEALs, moves, PADs, segments that are left, restarts. Written with
// log_bytes.h alone. Invariant: `chunks` has all that a reader must find in the segments.

#include <map>
#include <string>
#include <vector>

#include "tests/fuzz/choices.h"
#include "tests/support/log_bytes.h"

namespace millrace::testing {

struct StoryChunk {
  uint64_t seq = 0;
  OpenFields open;
  bool sealed = false;
  SealFields seal;  // the last one, as far as it is known, also of a chunk that is not sealed
  std::vector<WrittenFrame> data;                   // by frame_no, as it was written last
  std::map<uint64_t, std::vector<uint64_t>> seals;  // frame_lsns by lsn of the SEAL
};

class LogStory {
 public:
  explicit LogStory(Choices& choices) : choices_(choices) {
    begin_segment(choices_.one_in(4) ? 0x7f0000001000 : 0, 1);
    request();
    for (int i = 0; i < kEventsMax && choices_.more(); ++i) tell_event();
    segments.back().end_group(true);
  }

  static constexpr const char* kUuid = "fuzzed log uuid.";
  static constexpr uint64_t kKeySeed = 0x0123456789abcdef;

  std::vector<WrittenSegment> segments;
  std::map<uint64_t, StoryChunk> chunks;  // by chunk_seq

 private:
  static constexpr int kEventsMax = 40, kLargeMax = 2;
  static constexpr uint64_t kStages = 3;

  void tell_event() {
    switch (choices_.below(8)) {
      default:
        return request();
      case 4:
      case 5:
        return seal_some();
      case 6:
        if (choices_.one_in(2)) return move_some();
        // A PAD is a commit of its own.
        segments.back().end_group(true);
        segments.back().begin_group(4, std::string(16, '\0'), 1);
        return;
      case 7:
        return leave_segment();
    }
  }

  void begin_segment(uint64_t base_lsn, uint32_t epoch) {
    segments.push_back(
        WrittenSegment(SegmentHeaderFields{.uuid = kUuid,
                                           .base_lsn = base_lsn,
                                           .epoch = epoch,
                                           .worker_id = static_cast<uint32_t>(choices_.below(3)),
                                           .created_us = 1'700'000'000'000'000 + choices_.below(99),
                                           .key_seed = kKeySeed,
                                           .output_id = std::string(choices_.below(257), 'o')}));
  }

  // The group before is open until it is known whether its commit goes on; a PAD's does not.
  void begin_group(uint64_t type, const std::string& key) {
    WrittenSegment& segment = segments.back();
    if (!segment.groups().empty() && segment.groups().back().next_lsn == 0) {
      segment.end_group(segment.groups().back().type == 4 || choices_.below(3) != 0);
    }
    segment.begin_group(type, key, choices_.below(1000));
  }

  void request() {
    std::string key(16, '\0');
    if (choices_.below(4) != 0) {
      key = "key";
      put_le(key, ++keys_, 13);
    }
    begin_group(1, key);
    const uint64_t parts = 1 + choices_.below(3);
    for (uint64_t i = 0; i < parts; ++i) {
      StoryChunk& chunk = staged(choices_.below(kStages));
      put_data(chunk);
      if (choices_.one_in(4)) seal(chunk, 1);
    }
  }

  StoryChunk& staged(uint64_t stage) {
    if (staged_.contains(stage) && !chunks[staged_[stage]].sealed) return chunks[staged_[stage]];
    const uint64_t seq = uint64_t{segments.back().header().epoch} << 40 | ++counter_;
    staged_[stage] = seq;
    StoryChunk& chunk = chunks[seq];
    chunk.seq = seq;
    chunk.open = open_fields(seq);
    chunk.seal.open = bytes_of(chunk.open);
    segments.back().put_frame(WrittenFrame{
        .kind = 2, .chunk_seq = seq, .frame_no = 0, .records = 0, .payload = chunk.seal.open});
    return chunk;
  }

  OpenFields open_fields(uint64_t seq) {
    OpenFields open;
    put_le(open.id, seq * 0x9e3779b97f4a7c15, 8);
    put_le(open.id, seq, 8);
    open.created_us = 1'700'000'000'000'000 + choices_.below(1000);
    open.payload_format = static_cast<uint8_t>(1 + choices_.below(5));
    open.tail = static_cast<uint8_t>(choices_.below(2));
    open.head = "HEAD" + std::string(choices_.below(100), 'h');
    open.partition_key = std::string(choices_.one_in(8) ? 1024 : choices_.below(50), 'k');
    if (choices_.one_in(8)) {
      open.kind = 1;
      open.dead_reason = static_cast<uint8_t>(1 + choices_.below(3));
    }
    for (uint64_t i = choices_.below(4); i > 1; --i) {
      open.metadata.emplace_back("tag" + std::to_string(i), std::string(choices_.below(300), 'v'));
    }
    return open;
  }

  // Every payload has a text of its own, so that none is taken for another.
  void put_data(StoryChunk& chunk) {
    const auto frame_no = static_cast<uint32_t>(chunk.seal.frame_lsns.size() + 1);
    std::string text = std::to_string(chunk.seq) + "." + std::to_string(frame_no) + ";";
    size_t bytes = 1 + choices_.below(100);
    switch (choices_.below(8)) {
      case 5:
        bytes += choices_.below(6000);
        break;
      case 6:  // more than a reader's window
        if (large_++ < kLargeMax) bytes += 66'000;
        break;
      case 7:  // looks like a log, but it is another's
        text.resize((text.size() + 7) / 8 * 8, ' ');
        text += foreign_bytes();
        break;
      default:
        break;
    }
    while (text.size() < bytes) text += text.substr(0, bytes - text.size());
    const auto records = static_cast<uint32_t>(1 + choices_.below(4));
    const WrittenFrame& frame = segments.back().put_frame(WrittenFrame{.kind = 1,
                                                                       .chunk_seq = chunk.seq,
                                                                       .frame_no = frame_no,
                                                                       .records = records,
                                                                       .payload = text});
    chunk.data.push_back(frame);
    chunk.seal.frame_lsns.push_back(frame.lsn);
    put_le(chunk.seal.frame_crcs, frame.header_crc, 4);
    chunk.seal.body_bytes += text.size();
    chunk.seal.records += records;
  }

  std::string foreign_bytes() const {
    WrittenSegment other(SegmentHeaderFields{.uuid = "of another log.."});
    other.begin_group(1, std::string(16, 'f'), 1);
    other.put_frame(WrittenFrame{.chunk_seq = uint64_t{1} << 40 | 1, .payload = "forged"});
    other.end_group(true);
    return other.file(0).substr(4096, 104);
  }

  void seal(StoryChunk& chunk, uint8_t reason) {
    chunk.sealed = true;
    chunk.seal.reason = reason;
    chunk.seal.sealed_us = 1'700'000'000'000'000 + choices_.below(1000);
    put_seal(chunk);
  }

  void put_seal(StoryChunk& chunk) {
    const WrittenFrame& frame = segments.back().put_frame(
        WrittenFrame{.kind = 3,
                     .chunk_seq = chunk.seq,
                     .frame_no = static_cast<uint32_t>(chunk.seal.frame_lsns.size() + 1),
                     .records = 0,
                     .payload = bytes_of(chunk.seal, kUuid)});
    chunk.seals[frame.lsn] = chunk.seal.frame_lsns;
  }

  // A chunk that was sealed in a segment that was left is written again, once: all its frames, or
  // those of one segment.
  void move_some() {
    const uint64_t here = segments.back().header().base_lsn;
    for (auto& [seq, chunk] : chunks) {
      if (chunk.seals.size() != 1 || chunk.seals.begin()->first >= here) continue;
      if (choices_.one_in(2)) continue;
      begin_group(3, std::string(16, '\0'));
      const bool all = choices_.one_in(2);
      const size_t from = segment_of(chunk.data[0].lsn);
      for (WrittenFrame& frame : chunk.data) {
        if (!all && segment_of(frame.lsn) != from) continue;
        frame = segments.back().put_frame(frame);
        chunk.seal.frame_lsns[frame.frame_no - 1] = frame.lsn;
      }
      return put_seal(chunk);
    }
  }

  size_t segment_of(uint64_t lsn) const {
    size_t index = segments.size() - 1;
    while (segments[index].header().base_lsn > lsn) --index;
    return index;
  }

  std::vector<StoryChunk*> unsealed() {
    std::vector<StoryChunk*> open;
    for (auto& [seq, chunk] : chunks) {
      if (!chunk.sealed) open.push_back(&chunk);
    }
    return open;
  }

  void seal_some() {
    const std::vector<StoryChunk*> open = unsealed();
    if (open.empty()) return;
    begin_group(2, std::string(16, '\0'));
    const uint64_t count = 1 + choices_.below(open.size());
    for (uint64_t i = 0; i < count; ++i)
      seal(*open[i], static_cast<uint8_t>(1 + choices_.below(6)));
  }

  // A roll; or a restart, which begins with the SEALs of all that is not sealed.
  void leave_segment() {
    segments.back().end_group(true);
    const uint32_t epoch = segments.back().header().epoch;
    const bool restart = choices_.one_in(2);
    begin_segment(segments.back().end_lsn(), epoch + (restart ? 1 : 0));
    if (restart) counter_ = 0;
    const std::vector<StoryChunk*> open = unsealed();
    if (!restart || open.empty()) return request();
    begin_group(2, std::string(16, '\0'));
    for (StoryChunk* chunk : open) seal(*chunk, 7);
  }

  Choices& choices_;
  std::map<uint64_t, uint64_t> staged_;  // chunk_seq by stage
  uint64_t counter_ = 0;
  uint64_t keys_ = 0;
  int large_ = 0;
};

}  // namespace millrace::testing
