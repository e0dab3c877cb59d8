// SPDX-License-Identifier: Apache-2.0
#pragma once

// Moving chunks: a segment of which little is still needed is emptied by writing what is left of it
// again at the head of the log, unchanged, with a new SEAL that names the new places. A ChunkMove
// is one such chunk on its way: read by housekeeping, laid out by the loop, made true by the commit
// thread; it holds the chunk, so nobody else does. The MoveSlot hands it from the first to the
// second. Does no I/O. Invariant: until the commit is durable the old copies are the ones that
// count, and stay live; what was put into the slot and is not taken goes back to the queue.
// ChunkMove: one thread at a time. MoveSlot: any thread, one mutex.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "buffer/chunk.h"

namespace millrace::buffer {

struct MoveLimits {
  uint64_t spill_after_ms = 60'000;       // since the segment was left
  uint64_t frame_bytes_max = 4ULL << 20;  // a commit; a larger chunk is moved in slices
};

struct ChunkMove {
  QueuedChunk chunk;
  bool whole = true;         // all of its frames; else a slice, those of one segment
  std::string frames;        // DATA frames as they stand on disk, with padding; until laid out
  SealPayload seal;          // the new one, with the old places until laid out
  std::vector<Share> freed;  // by segment: what the new copies replace
  uint64_t seal_lsn = 0;     // of the new one
  uint64_t frame_bytes = 0;  // of the group, once laid out
  bool given_back = false;   // its commit was refused: the chunk went back as it was

  /// Bytes of its group, at most.
  uint64_t group_bytes() const;
};

/// `shares` without `freed`, whose places stay with 0 bytes, and with `taken`.
std::vector<Share> exchanged(std::vector<Share> shares, const std::vector<Share>& freed,
                             const std::vector<Share>& taken);

class MoveSlot {
 public:
  static constexpr uint64_t kPatienceMs = 1000;  // then a move no longer waits for a quiet moment
  static constexpr uint64_t kTakenBackMs = 3000;

  /// A range of the log, [from_lsn, to_lsn), whose staged chunks are to be sealed.
  struct Range {
    uint64_t from_lsn;
    uint64_t to_lsn;
  };

  // --- Loop thread.
  /// Tells that there is a loop that commits, and whether there is something for it.
  bool attend() {
    attended_.store(true, std::memory_order_relaxed);
    return waiting_.load(std::memory_order_acquire);
  }
  std::optional<Range> take_range();
  /// The moves, if their groups fit into `bytes_max`. While the loop is busy, only if they have
  /// waited for long.
  std::vector<ChunkMove> take(uint64_t bytes_max, bool busy, uint64_t now_ms);

  // --- Housekeeping thread.
  bool attended() const { return attended_.load(std::memory_order_relaxed); }
  bool filled() const;
  void ask_to_seal(Range range);
  void put(std::vector<ChunkMove> moves, uint64_t now_ms);
  /// What nobody takes: with `all` everything, else what has waited too long.
  std::vector<ChunkMove> take_back(bool all, uint64_t now_ms);

 private:
  void note_waiting();  // mutex held

  std::atomic<bool> attended_{false};
  std::atomic<bool> waiting_{false};
  mutable std::mutex mutex_;  // guards all below
  std::optional<Range> range_;
  std::vector<ChunkMove> moves_;
  uint64_t bytes_ = 0;
  uint64_t put_ms_ = 0;
};

}  // namespace millrace::buffer
