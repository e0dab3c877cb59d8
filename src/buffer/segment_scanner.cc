// SPDX-License-Identifier: Apache-2.0
#include "buffer/segment_scanner.h"

#include <algorithm>
#include <cstring>

namespace millrace::buffer {
namespace {

// As fast as memcmp: the newest segment ends in up to 64 MiB of zeros at every start.
bool only_zeros(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

SegmentScanner::SegmentScanner(io::File& file, LogCrc crc, uint64_t base_lsn, uint64_t end_lsn,
                               uint32_t epoch)
    : file_(file),
      crc_(crc),
      base_lsn_(base_lsn),
      end_lsn_(end_lsn),
      epoch_(epoch),
      lsn_(base_lsn) {}

// Up to `bytes` bytes at `lsn`; fewer at the end of the segment or of the file.
Result<std::string_view> SegmentScanner::bytes_at(uint64_t lsn, uint64_t bytes) {
  if (lsn >= end_lsn_) return std::string_view();
  bytes = std::min(bytes, end_lsn_ - lsn);
  const bool inside = lsn >= window_lsn_ && lsn + bytes <= window_lsn_ + window_.size();
  if (!inside) {
    // More is read ahead while what is asked for lies close together: headers of large frames
    // don't.
    const bool near = lsn >= window_lsn_ && lsn <= window_lsn_ + window_.size() + 2 * kBlockBytes;
    window_bytes_ = near ? std::min(2 * window_bytes_, kWindowBytesMax) : kWindowBytesMin;
    window_.resize(std::min(std::max(bytes, window_bytes_), end_lsn_ - lsn));
    window_lsn_ = lsn;
    auto got = read_window();
    if (!got) {
      window_.clear();
      return tl::unexpected(got.error());
    }
    window_.resize(*got);
  }
  return std::string_view(window_).substr(lsn - window_lsn_, bytes);
}

Result<size_t> SegmentScanner::read_window() {
  const uint64_t offset = kSegmentHeaderBytes + (window_lsn_ - base_lsn_);
  const auto bad = unreadable_.lower_bound(offset / kBlockBytes);
  const bool known_bad = bad != unreadable_.end() && *bad * kBlockBytes < offset + window_.size();
  if (known_bad) return read_blocks(offset);
  auto got = file_.pread(window_.data(), window_.size(), offset);
  if (got || !passes_unreadable_) return got;
  return read_blocks(offset);
}

// One that has failed alone is not asked for again: a disk may take seconds for each.
size_t SegmentScanner::read_blocks(uint64_t offset) {
  size_t done = 0;
  while (done < window_.size()) {
    const uint64_t at = offset + done;
    const uint64_t block = at / kBlockBytes;
    const size_t bytes = std::min<uint64_t>(window_.size() - done, (block + 1) * kBlockBytes - at);
    const auto got = unreadable_.contains(block) ? fail(ErrorKind::kIo, "")
                                                 : file_.pread(window_.data() + done, bytes, at);
    if (got && *got < bytes) return done + *got;
    if (!got) {
      unreadable_.insert(block);
      std::fill_n(window_.begin() + static_cast<std::ptrdiff_t>(done), bytes, '\0');
    }
    done += bytes;
  }
  return done;
}

bool SegmentScanner::belongs_here(const GroupHeader& header, uint64_t lsn) const {
  return header.lsn == lsn && header.epoch == epoch_ && header.end_lsn() <= end_lsn_;
}

// A chunk is opened in the epoch of its segment or in an earlier one.
bool SegmentScanner::belongs_here(const FrameHeader& header) const {
  const uint64_t epoch = header.chunk_seq >> kEpochShift;
  return epoch >= 1 && epoch <= epoch_;
}

Result<std::optional<ScannedGroup>> SegmentScanner::next(bool check_payloads) {
  auto bytes = bytes_at(lsn_, kGroupHeaderBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  ScannedGroup group;
  if (!decode(*bytes, crc_, group.header) || !belongs_here(group.header, lsn_)) {
    return std::optional<ScannedGroup>();
  }
  auto good = read_frames(group, check_payloads);
  if (!good) return tl::unexpected(good.error());
  if (!*good) return std::optional<ScannedGroup>();
  uint64_t next = group.header.end_lsn();
  if ((group.header.flags & kGroupEndsCommit) != 0) {
    const uint64_t aligned = std::min(round_up(next, kBlockBytes), end_lsn_);
    auto zero = all_zero(next, aligned);
    if (!zero) return tl::unexpected(zero.error());
    if (!*zero) return std::optional<ScannedGroup>();
    next = aligned;
  }
  lsn_ = next;
  return std::optional<ScannedGroup>(std::move(group));
}

// The frames must tile the body exactly: count, lengths, and the CRC over their header CRCs.
Result<bool> SegmentScanner::read_frames(ScannedGroup& group, bool check_payloads) {
  uint64_t at = group.header.lsn + kGroupHeaderBytes;
  const uint64_t end = group.header.end_lsn();
  uint32_t crc = crc_.seed;
  while (at < end) {
    auto bytes = bytes_at(at, kFrameHeaderBytes);
    if (!bytes) return tl::unexpected(bytes.error());
    ScannedFrame frame{.header = {}, .lsn = at};
    if (!decode(*bytes, crc_, frame.header) || !belongs_here(frame.header) ||
        frame.header.padded_bytes() > end - at) {
      return false;
    }
    if (check_payloads) {
      auto holds = payload_holds(frame);
      if (!holds) return tl::unexpected(holds.error());
      if (!*holds) return false;
    }
    crc = chain_crc(crc, frame.header.header_crc);
    at += frame.header.padded_bytes();
    group.frames.push_back(frame);
  }
  return group.frames.size() == group.header.frames && crc == group.header.frames_crc;
}

Result<bool> SegmentScanner::payload_holds(const ScannedFrame& frame) {
  const uint64_t padded = frame.header.padded_bytes() - kFrameHeaderBytes;
  auto bytes = bytes_at(frame.lsn + kFrameHeaderBytes, padded);
  if (!bytes) return tl::unexpected(bytes.error());
  const std::string_view payload = bytes->substr(0, frame.header.payload_bytes);
  return bytes->size() == padded && crc_(payload) == frame.header.payload_crc &&
         bytes->find_first_not_of('\0', payload.size()) == std::string_view::npos;
}

Result<std::optional<std::string>> SegmentScanner::payload(const ScannedFrame& frame) {
  auto holds = payload_holds(frame);
  if (!holds) return tl::unexpected(holds.error());
  if (!*holds) return std::optional<std::string>();
  auto bytes = bytes_at(frame.lsn + kFrameHeaderBytes, frame.header.payload_bytes);
  if (!bytes) return tl::unexpected(bytes.error());
  return std::optional<std::string>(*bytes);
}

Result<std::optional<GroupHeader>> SegmentScanner::find_group(uint64_t from) {
  for (uint64_t at = round_up(from, 8); at + kGroupHeaderBytes <= end_lsn_;) {
    auto bytes = bytes_at(at, kGroupHeaderBytes);
    if (!bytes) return tl::unexpected(bytes.error());
    GroupHeader header;
    if (decode(*bytes, crc_, header) && belongs_here(header, at)) {
      return std::optional<GroupHeader>(header);
    }
    // On to the next magic: a segment's end is mostly zeros, and may be 64 MiB of them.
    const std::string_view seen = std::string_view(window_).substr(at - window_lsn_);
    const size_t magic = std::min(seen.find(kGroupMagic, 8), seen.size());
    at += std::max<uint64_t>(8, magic / 8 * 8);
  }
  return std::optional<GroupHeader>();
}

Result<std::optional<ReadFrame>> SegmentScanner::read_frame(uint64_t lsn) {
  auto frame = frame_at(lsn);
  if (!frame) return tl::unexpected(frame.error());
  if (!*frame) return std::optional<ReadFrame>();
  auto bytes = payload(**frame);
  if (!bytes) return tl::unexpected(bytes.error());
  if (!*bytes) return std::optional<ReadFrame>();
  return std::optional<ReadFrame>(ReadFrame{**frame, std::move(**bytes)});
}

Result<std::optional<ScannedFrame>> SegmentScanner::frame_at(uint64_t lsn) {
  if (!covers(lsn)) return std::optional<ScannedFrame>();
  auto bytes = bytes_at(lsn, kFrameHeaderBytes);
  if (!bytes) return tl::unexpected(bytes.error());
  ScannedFrame frame{.header = {}, .lsn = lsn};
  const bool holds = decode(*bytes, crc_, frame.header) && belongs_here(frame.header) &&
                     frame.header.padded_bytes() <= end_lsn_ - lsn;
  return holds ? std::optional<ScannedFrame>(frame) : std::nullopt;
}

Result<std::vector<ScannedFrame>> SegmentScanner::find_frames(uint64_t from, uint64_t to) {
  std::vector<ScannedFrame> found;
  uint64_t at = round_up(from, 8);
  while (at + kFrameHeaderBytes <= to) {
    auto frame = frame_at(at);
    if (!frame) return tl::unexpected(frame.error());
    if (*frame && (*frame)->header.padded_bytes() <= to - at) {
      auto holds = payload_holds(**frame);
      if (!holds) return tl::unexpected(holds.error());
      if (*holds) {
        found.push_back(**frame);
        at += (*frame)->header.padded_bytes();
        continue;
      }
    }
    at += 8;
  }
  return found;
}

Result<bool> SegmentScanner::all_zero(uint64_t from, uint64_t to) {
  for (uint64_t at = from; at < to;) {
    auto bytes = bytes_at(at, std::min(to - at, kWindowBytesMax));
    if (!bytes) return tl::unexpected(bytes.error());
    if (bytes->empty()) return true;  // the file ends: nothing is there
    if (!only_zeros(*bytes)) return false;
    at += bytes->size();
  }
  return true;
}

Result<uint64_t> SegmentScanner::content_end(uint64_t from) {
  uint64_t last = from;
  for (uint64_t at = from; at < end_lsn_; at += kBlockBytes) {
    const uint64_t end = std::min(at + kBlockBytes, end_lsn_);
    auto zero = all_zero(at, end);
    if (!zero) return tl::unexpected(zero.error());
    if (!*zero) last = end;
  }
  return last;
}

}  // namespace millrace::buffer
