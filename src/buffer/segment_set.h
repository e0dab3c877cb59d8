// SPDX-License-Identifier: Apache-2.0
#pragma once

// SegmentSet: the segment files of a log: where an lsn lies, how many live bytes each file holds,
// which of them are mostly dead, and which may be removed. Live bytes are the frames of unfinished
// chunks, of moved ones only the copies that count; a segment goes when it has none, it is not the
// newest, and the one before it is gone or was cut to its end and synced.
// Does no I/O. Invariant: in order of (epoch, base_lsn), base_lsn never falls; live bytes never go
// below zero. Any thread; one mutex.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "buffer/chunk.h"

namespace millrace::buffer {

struct Segment {
  uint64_t base_lsn = 0;
  uint32_t epoch = 0;
  std::string name;      // file name in the log's directory
  uint64_t end_lsn = 0;  // end of what may be read; grows for the newest
  uint64_t file_bytes = 0;
  uint64_t live_bytes = 0;
  bool finished = false;       // cut to its end and synced by this process
  uint64_t finished_ms = 0;    // when that was, in running time
  uint64_t not_before_ms = 0;  // running time of the next try to finish or remove it
  uint32_t failures = 0;       // of such tries, in a row
  bool damaged = false;     // has failed a check, at start or at a delivery: is kept aside instead
                            // of unlinked
  bool unreadable = false;  // the disk did not give all of it at start: it is not unlinked
};

class SegmentSet {
 public:
  /// Adds the newest segment.
  void add(Segment segment);
  /// `frame_bytes` of a commit that ends at end_lsn (with padding) are live in the newest segment.
  void add_commit(uint64_t end_lsn, uint64_t frame_bytes);
  /// Shares by commit become shares by segment. Their commits must be durable.
  std::vector<Share> resolve(const std::vector<Share>& shares) const;
  /// At start: frames of an unfinished chunk are live.
  void add_live(const std::vector<Share>& shares);
  /// A chunk is finished, or was moved.
  void release(const std::vector<Share>& shares);

  /// The segment that holds `lsn` has failed a check. Its name, unless that was known.
  std::optional<std::string> mark_damaged(uint64_t lsn);

  /// The segment that holds `lsn`, if one does.
  std::optional<Segment> find(uint64_t lsn) const;
  std::optional<Segment> newest() const;
  /// A segment that was left and is not finished yet, oldest first; of those that are set aside
  /// only what is due.
  std::optional<Segment> next_unfinished(uint64_t now_ms = UINT64_MAX) const;
  void mark_finished(const Segment& segment, uint64_t file_bytes, uint64_t now_ms);
  /// Segments that were finished until then and are less than a quarter live, but not dead.
  std::vector<Segment> sparse(uint64_t finished_until_ms) const;
  /// A segment that may be removed now; of those that are set aside only what is due.
  std::optional<Segment> next_removable(uint64_t now_ms = UINT64_MAX) const;
  /// It could not be finished or removed: it is tried again later, and later each time.
  void set_aside(const Segment& segment, uint64_t now_ms);
  void remove(const Segment& segment);
  /// True if a segment that holds one of the shares still exists.
  bool holds_any(const std::vector<Share>& shares) const;
  /// `shares` without the places of segments that are gone.
  std::vector<Share> existing(std::vector<Share> shares) const;
  std::vector<Segment> all() const;

  bool holds(uint64_t base_lsn, uint32_t epoch) const;
  uint64_t first_lsn() const;
  size_t count() const;
  uint64_t disk_bytes() const;
  uint64_t live_bytes() const;

 private:
  size_t index_of(uint64_t lsn) const;  // last segment with base_lsn <= lsn; size() if none
  size_t index_of(const Segment& segment) const;

  mutable std::mutex mutex_;
  std::vector<Segment> segments_;  // in order
};

}  // namespace millrace::buffer
