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
  explicit RecoveryJudge(Choices& choices)
      : RecoveryJudge(Choices(choices.take(16)), Choices(choices.take(20)), choices) {}

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
  // What is there of a chunk.
  struct Seen {
    bool open = false;
    std::set<uint64_t> seals;             // lsns
    std::map<uint32_t, uint64_t> frames;  // the last lsn of each DATA frame_no
  };

  RecoveryJudge(Choices fault, Choices lines, Choices& choices) : story_(choices) {
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
    if (what != 0) put_positions(lines, fault);
    must_tell_ = what == 1;
    judge();
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

  void put_positions(Choices& lines, Choices& fault) {
    const SegmentHeaderFields& newest = segments_.back().written().header();
    std::string text =
        position_header(LogStory::kUuid, newest.epoch, 0, segments_.front().base_lsn());
    for (const auto& [seq, chunk] : story_.chunks) {
      const uint64_t outcome = lines.below(8);
      if (outcome < 4) continue;
      const bool finished = outcome > 5;
      if (finished && !chunk.sealed) continue;
      const uint64_t attempts = 1 + lines.below(1000);
      text += position_line(LogStory::kUuid, finished ? "CSDX"[seq % 4] : 'R', seq, chunk.open.id,
                            attempts, lines.below(1000));
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
    if (frame.kind == 2) seen.open = seen.open || holds;
    if (frame.kind == 3 && holds) seen.seals.insert(frame.lsn);
    if (frame.kind != 1) return;
    seen.frames[frame.frame_no] = frame.lsn;
    found_.insert(frame.lsn);
  }

  // Zeros alone are as if nothing had been written there.
  static bool has_remains(const DamagedSegment& segment, uint64_t lsn) {
    return lsn < segment.end_lsn() &&
           segment.file().find_first_not_of('\0', segment.written().offset_of(lsn)) !=
               std::string::npos;
  }

  // A segment's first commit was durable before the file got its name: if it is damaged, all of it
  // is proved, unless the file was cut within its last block.
  static uint64_t proof_by_name(const DamagedSegment& newest) {
    const std::vector<WrittenGroup>& groups = newest.groups();
    const uint64_t base = newest.base_lsn();
    auto bad = groups.begin();
    while (bad != groups.end() && newest.holds(*bad) && !bad->ends_commit) ++bad;
    if (bad == groups.end() || newest.holds(*bad)) return base;
    uint64_t end = bad->lsn + 1;
    bool ended = false;
    for (auto group = bad; group != groups.end() && !ended; ++group) {
      if (!newest.header_holds(*group)) continue;
      end = group->end_lsn;
      ended = group->ends_commit;
    }
    const size_t content = newest.file().find_last_not_of('\0') + 1;
    if (!ended && content > newest.written().offset_of(end)) end = base + content - 4096;
    end = (end + 4095) / 4096 * 4096;
    return end > newest.end_lsn() ? base : end;
  }

  // Below D all that holds counts. From D on one commit does, as far as it is valid.
  void judge() {
    const DamagedSegment& newest = segments_.back();
    uint64_t proof = newest.base_lsn();
    for (const WrittenGroup& group : newest.groups()) {
      if (newest.header_holds(group)) proof = std::max(proof, group.commit_lsn);
    }
    if (proof == newest.base_lsn()) proof = proof_by_name(newest);
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
          if (segment.is_deliverable(frame)) deliverable_.insert(frame.lsn);
          if (valid || segment.holds(frame)) see(segment, frame);
        }
        if (valid && group.key != std::string(16, '\0')) keys_.insert(group.key);
      }
    }
    for (const auto& [seq, seen] : seen_) {
      if (!finished_.contains(seq)) expect(story_.chunks.at(seq), seen);
    }
  }

  // The places of a chunk's frames: those that its last SEAL lists, unless some are bad and an
  // older SEAL lists none that is; without a SEAL those that are there.
  std::vector<uint64_t> places_of(const StoryChunk& chunk, const Seen& seen) const {
    for (auto seal = seen.seals.rbegin(); seal != seen.seals.rend(); ++seal) {
      const std::vector<uint64_t>& places = chunk.seals.at(*seal);
      if (std::all_of(places.begin(), places.end(), [&](uint64_t lsn) { return is_whole(lsn); })) {
        return places;
      }
    }
    if (!seen.seals.empty()) return chunk.seals.at(*seen.seals.rbegin());
    std::vector<uint64_t> places(seen.frames.rbegin()->first, kNowhere);
    for (const auto& [frame_no, lsn] : seen.frames) places[frame_no - 1] = lsn;
    return places;
  }
  bool is_whole(uint64_t lsn) const { return found_.contains(lsn) && deliverable_.contains(lsn); }

  // A SEAL lists all frames of its chunk, also those that no start found.
  void expect(const StoryChunk& chunk, const Seen& seen) {
    if (seen.seals.empty() && seen.frames.empty()) return;
    const bool nameless = seen.seals.empty() && !seen.open;
    Stored stored{.bytes = nameless ? "" : chunk.open.head,
                  .partition_key = nameless ? "" : chunk.open.partition_key,
                  .nameless = nameless,
                  .resealed = seen.seals.empty() || chunk.seal.reason == 7};
    const std::vector<uint64_t> places = places_of(chunk, seen);
    for (size_t i = 0; i < places.size(); ++i) {
      stored.whole = stored.whole && is_whole(places[i]);
      if (!deliverable_.contains(places[i])) continue;
      stored.bytes += chunk.data[i].payload;
      stored.records += chunk.data[i].records;
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
  std::set<uint64_t> finished_;            // chunk_seqs
  std::map<uint64_t, uint32_t> failures_;  // by chunk_seq
  std::map<uint64_t, Seen> seen_;          // by chunk_seq
  std::set<uint64_t> found_;               // lsns of DATA frames that a start finds
  std::set<uint64_t> deliverable_;         // lsns of frames
  bool damaged_ = false;                   // in a segment
  bool must_tell_ = false;
  StoredById named_;
  std::vector<Stored> nameless_;
  std::set<std::string> keys_;
};

}  // namespace millrace::testing
