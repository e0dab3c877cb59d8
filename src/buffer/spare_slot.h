// SPDX-License-Identifier: Apache-2.0
#pragma once

// SpareSlot: what a log can write without asking the disk for a block: the rest of its active
// segment, and the one spare, handed from housekeeping to the commit thread. It tells whether a
// batch leaves room there for the SEALs of all staged chunks, so that they never meet a full disk.
// Makes no files and counts no chunks. Invariant: a spare is in one place.
// Any thread; one mutex.

#include <cstdint>
#include <mutex>
#include <optional>

#include "buffer/segment_file.h"

namespace millrace::buffer {

constexpr uint64_t kReserveBytesMax = 4ULL << 20;

/// Bytes kept free in a segment of `capacity`: what the SEALs of the staged chunks take, or more.
uint64_t reserve_bytes(uint64_t capacity, uint64_t seal_debt);

class SpareSlot {
 public:
  /// The active segment, when it was not a spare of this slot.
  void set_active(uint64_t base_lsn, uint64_t capacity);
  void put(Spare spare);
  /// To become the active segment, from `base_lsn` on.
  std::optional<Spare> take(uint64_t base_lsn);
  /// To be made larger, then put() again.
  std::optional<Spare> take_back();
  bool filled() const;

  /// Lsns of what is laid out and not durable: the commit under way, then the open batch.
  struct Laid {
    uint64_t closed_begin = 0;
    uint64_t open_begin = 0;
    uint64_t open_end = 0;
  };
  /// True if the SEALs, and the reserve beyond them, fit behind it, or behind the open batch alone
  /// in the spare if that has to roll. False: a spare that is large enough is wanted from now on.
  bool leaves_reserve(const Laid& laid, uint64_t seal_debt);
  /// True if the SEALs fit: all that may be used for else than requests.
  bool leaves_seals(const Laid& laid, uint64_t seal_debt) const;
  /// Bytes that the open batch may grow by for else than requests.
  uint64_t room_beside_seals(const Laid& laid, uint64_t seal_debt) const;

  /// A commit waits for a spare, of at least `bytes`.
  void want(uint64_t bytes);
  /// Bytes that the spare should have. 0: the one that is there will do, or none is asked for.
  uint64_t wanted() const;
  /// It cannot be had now; requests that still want it say so again.
  void forget_wanted();
  uint64_t disk_bytes() const;

 private:
  bool leaves(const Laid& laid, uint64_t active_reserve, uint64_t spare_reserve) const;
  uint64_t batch_bytes_in_spare(const Laid& laid) const;

  mutable std::mutex mutex_;  // guards all below
  std::optional<Spare> spare_;
  uint64_t capacity_ = 0;          // of the active segment
  uint64_t limit_lsn_ = 0;         // where it ends
  uint64_t wanted_ = 0;            // by requests that find no room
  uint64_t wanted_by_commit_ = 0;  // that waits
};

}  // namespace millrace::buffer
