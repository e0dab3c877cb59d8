// SPDX-License-Identifier: Apache-2.0
#pragma once

// A log of which everything is known, with damage in one place, and what a start on it must find:
// every chunk that is not finished, byte for byte but for the frames that were hit, every request
// key of a group that holds, and nothing else. Slow and straight, from the rules of the format: a
// second recovery, that has been told where each frame lies.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/digest.h"
#include "tests/fuzz/drained_log.h"
#include "tests/fuzz/known_side_file.h"
#include "tests/support/position_bytes.h"
#include "tests/support/side_file_bytes.h"

namespace millrace::testing {

class RecoveryJudge {
 public:
  explicit RecoveryJudge(Choices& choices) : RecoveryJudge(choices, Choices(choices.take(16))) {}

  const LogFilesByName& files() const { return files_; }
  bool is_damaged() const { return damaged_; }

  void check(const Drained& drained, const buffer::KeyTable* keys) const {
    CHECK(drained.opened && drained.chunks.size() == named_.size() + nameless_.size());
    std::vector<Stored> nameless = nameless_;
    for (const auto& [id, read] : drained.chunks) {
      const Stored& chunk = read;
      if (chunk.nameless) {
        const auto found = std::find_if(nameless.begin(), nameless.end(),
                                        [&](const Stored& one) { return is_same(one, chunk); });
        CHECK(found != nameless.end());
        nameless.erase(found);
        continue;
      }
      CHECK(named_.contains(id) && is_same(named_.at(id), chunk));
      CHECK(chunk.resealed == named_.at(id).resealed);
    }
    if (keys == nullptr) return;
    CHECK(drained.told || !must_tell_);
    CHECK(!drained.told || damaged_);
    CHECK(keys->status(0).entries == keys_.size());
    for (const std::string& text : keys_) {
      buffer::RequestKey key;
      std::copy(text.begin(), text.end(), key.begin());
      CHECK(keys->is_durable(key, 1));
    }
  }

 private:
  struct Seen {
    bool open = false;
    bool seal = false;
    std::set<uint32_t> frames;  // DATA by frame_no
  };

  RecoveryJudge(Choices& choices, Choices fault) : story_(choices) {
    const uint64_t hit = fault.below(story_.segments.size());
    const uint64_t reserved = 4096 * fault.below(4);
    const uint64_t what = fault.below(8);  // 0: the position file is lost, 1: a segment's header
    const bool tells_of_side_files = fault.one_in(2);
    for (const WrittenSegment& segment : story_.segments) {
      const bool newest = &segment == &story_.segments.back();
      segments_.emplace_back(segment, newest ? reserved : 0);
      if (segments_.size() - 1 != hit) {
        if (!newest && tells_of_side_files) put_side_file(segment, fault);
      } else if (what == 1) {
        segments_.back().file()[fault.below(4096)] ^= static_cast<char>(1 + fault.below(255));
      } else {
        segments_.back().damage(fault);
      }
      damaged_ = damaged_ || segments_.back().is_damaged();
      files_[name_of(segment) + ".log"] = segments_.back().file();
    }
    const bool header_lost = what == 1;
    if (what != 0) put_positions(choices, fault);
    must_tell_ = header_lost;
    judge(header_lost && segments_.size() == 1);
  }

  static std::string name_of(const WrittenSegment& segment) {
    std::string name(48, '\0');
    name.resize(static_cast<size_t>(
        std::snprintf(name.data(), name.size(), "seg.%08x.%016llx", segment.header().epoch,
                      static_cast<unsigned long long>(segment.header().base_lsn))));
    return name;
  }

  // Of a segment without damage; sometimes one that does not hold, which costs no more than a scan.
  void put_side_file(const WrittenSegment& segment, Choices& fault) {
    std::string bytes = side_file_bytes(side_file_of(DamagedSegment(segment, 0)));
    if (fault.one_in(4)) bytes[fault.below(bytes.size())] ^= 1;
    files_[name_of(segment) + ".idx"] = bytes;
  }

  void put_positions(Choices& choices, Choices& fault) {
    const SegmentHeaderFields& newest = segments_.back().written().header();
    std::string text =
        position_header(LogStory::kUuid, newest.epoch, 0, segments_.front().base_lsn());
    for (const auto& [seq, chunk] : story_.chunks) {
      const uint64_t outcome = choices.below(8);
      if (outcome < 4) continue;
      const bool finished = outcome > 5;
      if (finished && !chunk.sealed) continue;
      const uint64_t attempts = 1 + choices.below(1000);
      text += position_line(LogStory::kUuid, finished ? "CSDX"[seq % 4] : 'R', seq, chunk.open.id,
                            attempts, choices.below(1000));
      if (fault.one_in(8)) {  // a line that does not hold says nothing
        text[text.size() - 80 + fault.below(80)] ^= 1;
      } else if (finished) {
        finished_.insert(seq);
      } else {
        failures_[seq] = static_cast<uint32_t>(attempts);
      }
    }
    files_["chunks.pos"] = text;
  }

  void see(const DamagedSegment& there, const WrittenFrame& frame) {
    Seen& seen = seen_[frame.chunk_seq];
    const bool holds = there.payload_holds(frame);
    if (frame.kind == 1) seen.frames.insert(frame.frame_no);
    if (frame.kind == 2) seen.open = seen.open || holds;
    if (frame.kind == 3) seen.seal = seen.seal || holds;
  }

  // Zeros alone are as if nothing had been written there.
  static bool has_remains(const DamagedSegment& segment, uint64_t lsn) {
    return lsn < segment.end_lsn() &&
           segment.file().find_first_not_of('\0', segment.written().offset_of(lsn)) !=
               std::string::npos;
  }

  // Below D all that holds counts. From D on one commit does, as far as it is valid.
  void judge(bool seed_lost) {
    const DamagedSegment& newest = segments_.back();
    uint64_t proof = newest.base_lsn();
    for (const WrittenGroup& group : newest.groups()) {
      if (newest.header_holds(group)) proof = std::max(proof, group.commit_lsn);
    }
    for (const DamagedSegment& segment : segments_) {
      for (const WrittenGroup& group : segment.groups()) {
        const bool proved = group.lsn < proof;
        if (!proved && !segment.holds(group)) {
          must_tell_ = must_tell_ || has_remains(segment, group.lsn);
          break;
        }
        const bool valid = segment.holds_but_payloads(group);
        must_tell_ = must_tell_ || !valid;
        for (const WrittenFrame& frame : group.frames) {
          if (segment.is_deliverable(frame)) deliverable_.insert({frame.chunk_seq, frame.frame_no});
          if (valid || segment.holds(frame)) see(segment, frame);
        }
        if (valid && !seed_lost && group.key != std::string(16, '\0')) keys_.insert(group.key);
      }
    }
    for (const auto& [seq, seen] : seen_) {
      if (!finished_.contains(seq)) expect(story_.chunks.at(seq), seen);
    }
  }

  // A SEAL lists all frames of its chunk, also those that no start found; without one those count
  // that are there.
  void expect(const StoryChunk& chunk, const Seen& seen) {
    if (!seen.seal && seen.frames.empty()) return;
    const bool nameless = !seen.seal && !seen.open;
    Stored stored{.bytes = nameless ? "" : chunk.open.head,
                  .partition_key = nameless ? "" : chunk.open.partition_key,
                  .nameless = nameless,
                  .resealed = !seen.seal || chunk.seal.reason == 7};
    const uint64_t last = seen.seal ? chunk.seal.frame_lsns.size() : *seen.frames.rbegin();
    for (uint32_t frame_no = 1; frame_no <= last; ++frame_no) {
      const bool found = seen.frames.contains(frame_no);
      const bool holds = (found || seen.seal) && deliverable_.contains({chunk.seq, frame_no});
      stored.whole = stored.whole && found && holds;
      if (!holds) continue;
      stored.bytes += chunk.data[frame_no - 1].payload;
      stored.records += chunk.data[frame_no - 1].records;
    }
    if (!nameless && chunk.open.tail == 1) {
      const Md5Bytes tail = md5(std::string_view(stored.bytes).substr(4));
      stored.bytes.append(reinterpret_cast<const char*>(tail.data()), tail.size());
    }
    const auto failures = failures_.find(chunk.seq);
    if (failures != failures_.end() && !nameless) stored.failures = failures->second;
    if (nameless) {
      nameless_.push_back(std::move(stored));
    } else {
      named_[hex_encode(chunk.open.id)] = std::move(stored);
    }
  }

  static bool is_same(const Stored& a, const Stored& b) {
    return a.bytes == b.bytes && a.partition_key == b.partition_key && a.records == b.records &&
           a.failures == b.failures && a.whole == b.whole && a.nameless == b.nameless;
  }

  LogStory story_;
  std::vector<DamagedSegment> segments_;
  LogFilesByName files_;
  std::set<uint64_t> finished_;                          // chunk_seqs
  std::map<uint64_t, uint32_t> failures_;                // by chunk_seq
  std::map<uint64_t, Seen> seen_;                        // by chunk_seq
  std::set<std::pair<uint64_t, uint32_t>> deliverable_;  // chunk_seq and frame_no
  bool damaged_ = false;                                 // in a segment
  bool must_tell_ = false;
  StoredById named_;
  std::vector<Stored> nameless_;
  std::set<std::string> keys_;
};

}  // namespace millrace::testing
