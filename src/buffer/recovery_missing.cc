// SPDX-License-Identifier: Apache-2.0
// The part of a recovery that tells what is not there any more. Nothing here changes what is
// recovered. Each rule follows from an order in which a healthy log does things, so that no kill
// and no power cut sets it off: a segment is durable under its name before the position file, a
// line or a cut of its predecessor speaks of it, and a G line is durable before its segment goes.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "buffer/recovery.h"
#include "buffer/removed_ranges.h"

namespace millrace::buffer {

using metrics::Metric;

constexpr size_t kIdsALine = 50;

// The disk may give it another day: the file is kept, however full the disk is.
void Recovery::tell_unreadable(const Segment& segment, uint64_t bytes) {
  log::error(
      "buffer",
      "the disk does not give all of a segment; what cannot be read is left out, and the segment "
      "is kept in corrupt/ when done",
      {{"directory", settings_.directory}, {"file", segment.name}, {"unreadable_bytes", bytes}});
  Segment& found = files_.segments[static_cast<size_t>(&segment - files_.segments.data())];
  found.damaged = found.unreadable = true;
}

void Recovery::report_unreadable(const Segment& segment) {
  log::error("buffer", "nothing in a segment can be read; its frames are lost",
             {{"directory", settings_.directory},
              {"file", segment.name},
              {"unreadable_bytes", segment.file_bytes}});
  mark_damaged(segment);
}

// Many in a line, for lines of one kind are limited.
void Recovery::tell_lost() {
  cells_.add(Metric::kDamagedChunks, lost_.size());
  for (size_t from = 0; from < lost_.size(); from += kIdsALine) {
    const size_t to = std::min(lost_.size(), from + kIdsALine);
    std::string ids;
    for (size_t i = from; i < to; ++i) {
      if (i > from) ids += ' ';
      ids += lost_[i].uuid();
    }
    log::error(
        "buffer", "chunks have lost all their frames",
        {{"directory", settings_.directory}, {"chunks", to - from}, {"ids", std::move(ids)}});
  }
}

// One gap at the end is told once, by the rule that knows most of it.
void Recovery::report_missing() {
  const bool gaps = report_gaps();
  if (report_newest() || gaps) return;
  const bool damaged = std::any_of(files_.segments.begin(), files_.segments.end(),
                                   [](const Segment& segment) { return segment.damaged; });
  if (!damaged) report_chunks_without_frames();
}

// A range before or between segments that no G line explains: somebody else removed a file, or cut
// it. The position file knows where the log began.
bool Recovery::report_gaps() {
  if (files_.segments.empty()) return false;
  const std::optional<PositionHeader>& header = files_.position.header;
  uint64_t expected = header ? header->first_lsn : files_.segments.front().base_lsn;
  bool found = false;
  for (const Segment& segment : files_.segments) {
    if (expected < segment.base_lsn) expected = removed_up_to(files_.position.removed, expected);
    if (expected < segment.base_lsn) {
      found = true;
      cells_.add(Metric::kMissingSegments);
      log::error("buffer", "a segment is missing; its frames are lost",
                 {{"directory", settings_.directory},
                  {"from_lsn", expected},
                  {"to_lsn", segment.base_lsn}});
    }
    expected = std::max(expected, segment.end_lsn);
  }
  return found;
}

// A side file is written when the segment behind its own is durable.
bool Recovery::was_left(const Segment& segment) const {
  return std::any_of(side_files_.begin(), side_files_.end(), [&](const SideFileSet::Known& side) {
    return std::pair(side.base_lsn, side.epoch) >= std::pair(segment.base_lsn, segment.epoch);
  });
}

// The newest segment is never removed, never cut, never left, and begins at or above all that was
// removed.
bool Recovery::report_newest() {
  const PositionFacts& position = files_.position;
  const uint64_t removed_end =
      removed_end_of(position.removed, position.header ? position.header->first_lsn : 0);
  if (files_.segments.empty()) {
    if (!position.header) return false;
    cells_.add(Metric::kMissingSegments);
    log::error("buffer", "all segments are missing; their frames are lost",
               {{"directory", settings_.directory},
                {"from_lsn", removed_up_to(position.removed, position.header->first_lsn)},
                {"last_epoch", position.highest_epoch}});
    return true;
  }
  const Segment& newest = files_.segments.back();
  if (newest.epoch < position.highest_epoch || newest.base_lsn < removed_end || was_left(newest)) {
    cells_.add(Metric::kMissingSegments);
    log::error("buffer", "the newest segment is missing; its frames are lost",
               {{"directory", settings_.directory},
                {"from_lsn", read_end_},
                {"last_epoch", position.highest_epoch},
                {"newest_file", newest.name}});
    return true;
  }
  const auto capacity = files_.capacities.find(newest.name);
  const uint64_t made_bytes = capacity == files_.capacities.end()
                                  ? kSegmentHeaderBytes + kBlockBytes  // and at least one commit
                                  : capacity->second;
  if (newest.file_bytes >= made_bytes) return false;
  cells_.add(Metric::kMissingSegments);
  log::error("buffer",
             "the newest segment is shorter than it was made: it was cut, or later ones are "
             "missing; acked frames behind its end may be lost",
             {{"directory", settings_.directory},
              {"file", newest.name},
              {"from_lsn", newest.end_lsn},
              {"file_bytes", newest.file_bytes},
              {"missing_bytes", made_bytes - newest.file_bytes}});
  return true;
}

// A line stays only while a segment holds frames of its chunk. None is there, and no G line speaks
// of an epoch the chunk may lie in: the frames went with a segment that left no other trace.
bool Recovery::report_chunks_without_frames() {
  uint64_t removed_epoch = 0;
  for (const PositionLine& line : files_.position.removed) {
    removed_epoch = std::max(removed_epoch, line.removed_epoch());
  }
  uint64_t chunks = 0;
  const auto count = [&](const std::map<uint64_t, PositionLine>& lines) {
    for (const auto& [seq, line] : lines) {
      if (seq >> kEpochShift > removed_epoch && !table_.chunks().contains(seq)) ++chunks;
    }
  };
  count(files_.position.finished);
  count(files_.position.attempts);
  if (chunks == 0) return false;
  cells_.add(Metric::kMissingSegments);
  log::error("buffer",
             "the position file tells of chunks that no segment holds: the newest segment is "
             "missing; its frames are lost",
             {{"directory", settings_.directory}, {"from_lsn", read_end_}, {"chunks", chunks}});
  return true;
}

// The position file is there before the first chunk is stored.
void Recovery::report_position() {
  const PositionFacts& position = files_.position;
  if (table_.chunks().empty() || !(position.lost || position.cut)) return;
  log::warn("buffer",
            position.lost ? "the position file is missing or empty; chunks that were delivered "
                            "before are sent again, none is lost"
                          : "the position file was cut short; chunks that were delivered before "
                            "may be sent again, none is lost",
            {{"path", settings_.directory + "/chunks.pos"}});
}

}  // namespace millrace::buffer
