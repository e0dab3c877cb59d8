// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentScanner: reads the groups of one segment at start. It tells every valid group and, where
// something else stands, how much and which frames in it are intact after all. It judges nothing:
// what an invalid position means (a torn tail or corruption) is recovery's matter.
// Reads forward through a window, so payloads that nobody asks for are passed over.
// Invariant: groups are reported in order of lsn. Main thread, at start.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "buffer/layout.h"
#include "io/io.h"

namespace millrace::buffer {

struct ScannedFrame {
  FrameHeader header;
  uint64_t lsn = 0;
};

struct ReadFrame {
  ScannedFrame scanned;
  std::string payload;
};

struct ScannedGroup {
  GroupHeader header;
  std::vector<ScannedFrame> frames;
};

class SegmentScanner {
 public:
  /// Groups from `base_lsn` up to `end_lsn` (end of the segment) with epoch `epoch`.
  SegmentScanner(io::File& file, LogCrc crc, uint64_t base_lsn, uint64_t end_lsn, uint32_t epoch);

  /// The group at lsn() if its header is valid and its frame headers tile it; payload CRCs are
  /// checked only with `check_payloads`. Sets lsn() behind it (and its commit's padding).
  /// Nothing: an invalid position. Errors: the disk does not answer.
  Result<std::optional<ScannedGroup>> next(bool check_payloads);

  uint64_t lsn() const { return lsn_; }
  uint64_t end_lsn() const { return end_lsn_; }
  void move_to(uint64_t lsn) { lsn_ = lsn; }
  /// From now on a block of 4096 bytes that the disk does not give is one of zeros, no error.
  void pass_unreadable() { passes_unreadable_ = true; }
  uint64_t unreadable_bytes() const { return unreadable_.size() * kBlockBytes; }

  /// The next valid group header at or after `from`, searched in steps of 8 bytes.
  Result<std::optional<GroupHeader>> find_group(uint64_t from);
  bool covers(uint64_t lsn) const { return lsn >= base_lsn_ && lsn < end_lsn_; }
  /// The frame at `lsn` will be asked for soon.
  void will_need(uint64_t lsn) {
    file_.will_need(kSegmentHeaderBytes + (lsn - base_lsn_), kWindowBytesMin);
  }
  /// The frame at `lsn` if its header holds and it lies within the segment.
  Result<std::optional<ScannedFrame>> frame_at(uint64_t lsn);
  /// The same, if its payload holds too.
  Result<std::optional<ReadFrame>> read_frame(uint64_t lsn);
  /// Frames in [from, to) whose two CRCs hold, searched in steps of 8 bytes.
  Result<std::vector<ScannedFrame>> find_frames(uint64_t from, uint64_t to);
  /// True if [from, to) holds only zeros.
  Result<bool> all_zero(uint64_t from, uint64_t to);
  /// Behind the last block from `from` on that is not zero; `from` if all are.
  Result<uint64_t> content_end(uint64_t from);
  /// The payload of a frame, or nothing if its CRC does not hold.
  Result<std::optional<std::string>> payload(const ScannedFrame& frame);

 private:
  static constexpr uint64_t kWindowBytesMin = 1024;  // most OPENs and SEALs whole
  static constexpr uint64_t kWindowBytesMax = 64ULL << 10;

  Result<std::string_view> bytes_at(uint64_t lsn, uint64_t bytes);
  Result<size_t> read_window();
  size_t read_blocks(uint64_t offset);
  Result<bool> payload_holds(const ScannedFrame& frame);
  Result<bool> read_frames(ScannedGroup& group, bool check_payloads);
  bool belongs_here(const GroupHeader& header, uint64_t lsn) const;
  bool belongs_here(const FrameHeader& header) const;

  io::File& file_;
  const LogCrc crc_;
  const uint64_t base_lsn_;
  const uint64_t end_lsn_;
  const uint32_t epoch_;
  uint64_t lsn_;
  uint64_t window_bytes_ = kWindowBytesMin;
  std::string window_;
  uint64_t window_lsn_ = 0;
  bool passes_unreadable_ = false;
  std::set<uint64_t> unreadable_;  // blocks of the file
};

}  // namespace millrace::buffer
