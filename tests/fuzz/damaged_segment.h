// SPDX-License-Identifier: Apache-2.0
#pragma once

// A segment of which everything is known, and the same with damage in one place. Which of its parts
// still hold follows from the bytes that differ: a CRC or a rule of the format covers every one.

#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "tests/fuzz/choices.h"
#include "tests/support/log_bytes.h"

namespace millrace::testing {

class DamagedSegment {
 public:
  DamagedSegment(WrittenSegment segment, uint64_t reserved_bytes)
      : segment_(std::move(segment)), whole_(segment_.file(reserved_bytes)), file_(whole_) {}

  const WrittenSegment& written() const { return segment_; }
  const std::vector<WrittenGroup>& groups() const { return segment_.groups(); }
  const std::string& file() const { return file_; }
  std::string& file() { return file_; }
  uint64_t base_lsn() const { return segment_.header().base_lsn; }
  uint64_t end_lsn() const { return base_lsn() + file_.size() - 4096; }
  bool is_damaged() const { return file_ != whole_; }

  /// Behind the segment's header, in a place that `choices` choose; or nowhere.
  void damage(Choices& choices) {
    const uint64_t what = choices.below(8);
    if (what == 0) return;
    const uint64_t at = choose_place(choices);
    CHECK(at >= 4096 && at < file_.size());
    if (what == 1) {
      file_.resize(at);
    } else if (what == 2) {  // a lost sector
      const size_t sector = at / 512 * 512;
      std::fill_n(file_.begin() + static_cast<long>(sector),
                  std::min(sector + 512, file_.size()) - sector, '\0');
    } else {
      for (size_t i = 0; i < what - 2 && at + i < file_.size(); ++i) {
        file_[at + i] ^= static_cast<char>(1 + choices.below(255));
      }
    }
  }

  /// What the CRC of a group's header covers, and that the group ends within the segment.
  bool header_holds(const WrittenGroup& group) const {
    return holds(group.lsn, group.lsn + 64) && group.end_lsn <= end_lsn();
  }
  bool header_holds(const WrittenFrame& frame) const {
    return holds(frame.lsn, frame.payload_lsn()) && frame.end_lsn() <= end_lsn();
  }
  /// What a delivery needs: what both CRCs cover, without the padding.
  bool is_deliverable(const WrittenFrame& frame) const {
    return holds(frame.lsn, frame.payload_lsn() + frame.payload.size());
  }
  bool payload_holds(const WrittenFrame& frame) const {
    return holds(frame.payload_lsn(), frame.end_lsn());
  }
  bool holds(const WrittenFrame& frame) const {
    return header_holds(frame) && payload_holds(frame);
  }
  /// A valid group; without its payloads.
  bool holds_but_payloads(const WrittenGroup& group) const {
    return header_holds(group) && holds(group.end_lsn, std::min(group.next_lsn, end_lsn())) &&
           std::all_of(group.frames.begin(), group.frames.end(),
                       [&](const WrittenFrame& frame) { return header_holds(frame); });
  }
  bool holds(const WrittenGroup& group) const {
    return holds_but_payloads(group) &&
           std::all_of(group.frames.begin(), group.frames.end(),
                       [&](const WrittenFrame& frame) { return payload_holds(frame); });
  }

 private:
  // Any byte, or one of a part that is small among the others.
  uint64_t choose_place(Choices& choices) const {
    const WrittenGroup& group = groups()[choices.below(groups().size())];
    const uint64_t part = choices.below(4);
    if (part == 0) return segment_.offset_of(group.lsn + choices.below(64));
    if (part == 1 || group.frames.empty()) return 4096 + choices.below(file_.size() - 4096);
    const WrittenFrame& frame = group.frames[choices.below(group.frames.size())];
    if (part == 2) return segment_.offset_of(frame.lsn + choices.below(32));
    return segment_.offset_of(frame.lsn + choices.below(frame.end_lsn() - frame.lsn));
  }

  bool holds(uint64_t from_lsn, uint64_t to_lsn) const {
    const size_t from = segment_.offset_of(from_lsn);
    const size_t bytes = to_lsn - from_lsn;
    return from + bytes <= file_.size() && whole_.compare(from, bytes, file_, from, bytes) == 0;
  }

  WrittenSegment segment_;
  std::string whole_;
  std::string file_;
};

}  // namespace millrace::testing
