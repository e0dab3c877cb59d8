// SPDX-License-Identifier: Apache-2.0
// The part of a view that reads segments. Where a recovery decides what to keep, this tells what it
// sees; both read through SegmentScanner.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "buffer/log_view.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {
namespace {

constexpr const char* kBadGroup = "a group or a frame header does not hold";
constexpr const char* kBadPayload = "the payload of a frame does not hold";

// True if the file became shorter than the log says it is: its segment is being removed, or was cut
// to its end after the directory was listed.
bool is_shrunk(io::File& file, const Segment& segment) {
  const auto bytes = file.size();
  return bytes && *bytes < segment.file_bytes;
}

}  // namespace

Result<> LogView::scan(const Segment& segment, bool newest) {
  Scanned& scanned = scanned_[segment.name];
  if (scanned.viewed.read_to == 0) scanned.viewed.read_to = segment.base_lsn;
  scanned.viewed.torn_bytes = 0;
  scanned.viewed.segment = segment;
  if (scanned.viewed.read_to >= segment.end_lsn) return {};
  auto file = files_.open(directory_ + "/" + segment.name, io::OpenMode::kRead);
  if (!file && file.error().kind == ErrorKind::kNotFound) return {};  // removed meanwhile
  if (!file) return tl::unexpected(file.error());
  std::optional<SegmentScanner> scanner;
  const auto read_from = [&](uint64_t lsn) {
    scanner.emplace(**file, crc_, segment.base_lsn, segment.end_lsn, segment.epoch);
    scanner->move_to(lsn);
  };
  read_from(scanned.viewed.read_to);
  bool again = false;  // this place is read for the second time
  while (scanner->lsn() < segment.end_lsn) {
    auto group = scanner->next(check_payloads_);
    if (!group) return tl::unexpected(group.error());
    if (!*group && !again) {
      auto under_way = is_under_way(*scanner, scanned.viewed, newest);
      if (!under_way) return tl::unexpected(under_way.error());
      if (is_shrunk(**file, segment)) return {};
      if (*under_way) {
        auto last = scanner->content_end(scanner->lsn());
        if (!last) return tl::unexpected(last.error());
        scanned.viewed.torn_bytes = *last - scanner->lsn();
        return {};
      }
      read_from(scanner->lsn());
      again = true;
      continue;
    }
    auto passed = *group ? add_group(*scanner, **group, scanned) : pass_gap(*scanner, scanned);
    if (!passed) return passed;
    scanned.viewed.read_to = scanner->lsn();
    again = false;
  }
  return {};
}

// In the newest segment what does not hold is a commit being written, or the torn end of a killed
// process, unless a later group says that all below its commit was durable. A segment's first
// commit was durable before the file got its name.
Result<bool> LogView::is_under_way(SegmentScanner& scanner, const ViewedSegment& viewed,
                                   bool newest) const {
  const uint64_t lsn = scanner.lsn();
  if (!newest || viewed.commits == 0) return false;
  for (uint64_t from = lsn + 8;;) {
    auto later = scanner.find_group(from);
    if (!later) return tl::unexpected(later.error());
    if (!*later) return true;
    if ((*later)->commit_lsn > lsn) return false;
    from = (*later)->lsn + 8;
  }
}

Result<> LogView::add_group(SegmentScanner& scanner, const ScannedGroup& group, Scanned& scanned) {
  for (const ScannedFrame& frame : group.frames) {
    if (auto added = add_frame(scanner, frame, scanned.viewed.segment.base_lsn); !added) {
      return added;
    }
  }
  const GroupHeader& header = group.header;
  const bool keyed = std::any_of(std::begin(header.key), std::end(header.key),
                                 [](char byte) { return byte != 0; });
  ++scanned.viewed.groups;
  scanned.viewed.commits += (header.flags & kGroupEndsCommit) != 0 ? 1 : 0;
  scanned.viewed.keys += keyed && header.type == GroupType::kAppend ? 1 : 0;
  scanned.viewed.group_bytes += header.end_lsn() - header.lsn;
  return {};
}

Result<> LogView::add_frame(SegmentScanner& scanner, const ScannedFrame& frame, uint64_t base_lsn) {
  std::optional<std::string> payload;
  if (frame.header.kind != FrameKind::kData) {
    auto read = scanner.payload(frame);
    if (!read) return tl::unexpected(read.error());
    payload = std::move(*read);
  }
  if (frame.header.kind == FrameKind::kOpen) {
    open_lsns_.try_emplace(frame.header.chunk_seq, frame.lsn);
  }
  table_.add(frame, payload, base_lsn);
  return {};
}

// A group whose headers hold, with frames whose payloads do not. False: it is not that.
Result<bool> LogView::pass_bad_payloads(SegmentScanner& scanner, Scanned& scanned) {
  auto group = scanner.next(false);
  if (!group) return tl::unexpected(group.error());
  if (!*group) return false;
  ScannedGroup good = std::move(**group);
  std::vector<ScannedFrame> held;
  for (const ScannedFrame& frame : good.frames) {
    auto payload = scanner.payload(frame);
    if (!payload) return tl::unexpected(payload.error());
    if (*payload) {
      held.push_back(frame);
      continue;
    }
    scanned.damages.push_back(Damage{.file = scanned.viewed.segment.name,
                                     .lsn = frame.lsn,
                                     .bytes = frame.header.padded_bytes(),
                                     .what = kBadPayload,
                                     .costs = {}});
    scanned.damages.back().frame = frame.header;
  }
  good.frames = std::move(held);
  if (auto added = add_group(scanner, good, scanned); !added) return tl::unexpected(added.error());
  return true;
}

// On to the next group that holds; intact frames in between still count.
Result<> LogView::pass_gap(SegmentScanner& scanner, Scanned& scanned) {
  if (check_payloads_) {
    auto passed = pass_bad_payloads(scanner, scanned);
    if (!passed) return tl::unexpected(passed.error());
    if (*passed) return {};
  }
  const uint64_t from = scanner.lsn();
  auto next = scanner.find_group(from + 8);
  if (!next) return tl::unexpected(next.error());
  const uint64_t to = *next ? (*next)->lsn : scanner.end_lsn();
  auto frames = scanner.find_frames(from, to);
  if (!frames) return tl::unexpected(frames.error());
  uint64_t explained_to = from + kGroupHeaderBytes;  // kNoLsn: there is a hole before
  for (const ScannedFrame& frame : *frames) {
    if (auto added = add_frame(scanner, frame, scanned.viewed.segment.base_lsn); !added) {
      return added;
    }
    kept_.insert(frame.lsn);
    explained_to = frame.lsn == explained_to ? frame.lsn + frame.header.padded_bytes() : kNoLsn;
  }
  uint64_t end = to;
  if (!*next) {
    auto last = scanner.content_end(from);
    if (!last) return tl::unexpected(last.error());
    if (*last > from) end = *last;
  }
  scanned.damages.push_back(
      Damage{.file = scanned.viewed.segment.name,
             .lsn = from,
             .bytes = end - from,
             .what = kBadGroup,
             .costs = {},
             .is_explained = explained_to != kNoLsn && explained_to + kBlockBytes > end});
  scanner.move_to(to);
  return {};
}

}  // namespace millrace::buffer
