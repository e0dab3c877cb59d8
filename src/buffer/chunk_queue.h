// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChunkQueue: the queued chunks of one log and who has them. Flush threads take them in chunk_seq
// order and give each back or report it finished; a chunk given back waits for its own next attempt
// and holds nobody up: those that failed are taken behind those that did not, or in turn with them,
// the one that is due the longest first, and never by all flush threads at once. Of those that did
// not, one in kRefusedTurn was refused for now, as long as there are both kinds: where one shard of
// several takes nothing, its chunks must not be all that is tried. Dead letters wait apart, for
// housekeeping, those of them that were tried in vain behind the others. Does no I/O.
// Invariant: a chunk is in one place: ready, waiting, dead, or in one taker's hands (a flush
// thread's, a move's, or those of who drops or buries it). Any thread; one mutex.

#include <condition_variable>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "buffer/chunk.h"
#include "io/io.h"

namespace millrace::buffer {

class ChunkQueue {
 public:
  static constexpr uint64_t kRefusedTurn = 8;

  explicit ChunkQueue(io::Clock& clock) : clock_(clock) {}

  void add(QueuedChunk chunk);
  /// At most so many chunks that have failed before are in hand at once; >= 1.
  void limit_failed_in_hand(size_t chunks);
  struct Due {
    uint64_t bytes = 0;   // body bytes of the chunk that is next in turn
    bool failed = false;  // all that may be taken have failed before
  };
  /// Waits until a chunk is due. Nothing after stop().
  std::optional<Due> wait_due();
  /// Of those that are due, those that never failed and others in turn with them, or only the
  /// oldest or newest that never failed.
  enum class Pick : uint8_t { kInTurn, kOldest, kNewest };
  /// The next of those chunks, if there is one now.
  std::optional<QueuedChunk> take_due(Pick pick = Pick::kInTurn);
  /// Both: the next chunk that is due. Nothing after stop().
  std::optional<QueuedChunk> take();
  /// Not delivered; take() offers it again at not_before_ms of running time.
  void give_back(QueuedChunk chunk);
  /// Moves a chunk in hand to the dead letters.
  void give_up(QueuedChunk chunk);
  /// The chunk in hand has its line in the position file.
  void finished(const QueuedChunk& chunk);

  std::optional<QueuedChunk> take_dead_letter();
  /// take_dead_letter() offers it again at not_before_ms of running time; 0: at once.
  void give_back_dead_letter(QueuedChunk chunk);
  /// The oldest chunk that nobody holds, to be dropped.
  std::optional<QueuedChunk> take_oldest();
  /// Chunks that nobody holds, with live bytes in the segment at `base_lsn`, of at most
  /// `frame_bytes` together. One of more than `frame_bytes_max` counts as so many: it is moved in
  /// slices.
  std::vector<QueuedChunk> take_to_move(uint64_t base_lsn, uint64_t frame_bytes_max,
                                        uint64_t frame_bytes);
  /// A chunk in hand that was not tried: it waits as it did before.
  void put_back(QueuedChunk chunk);

  /// chunk_seq of all that are not finished, sorted.
  std::vector<uint64_t> unfinished() const;
  /// take() returns nothing from now on, also to those who wait.
  void stop();

  struct Counts {
    size_t queued = 0;  // ready or waiting for the next attempt
    size_t in_flight = 0;
    size_t dead_letters = 0;  // waiting to be written to dead/
    size_t due = 0;           // ready now
    uint64_t bytes = 0;       // body bytes of all of them
    uint64_t oldest_age_ms = 0;
  };
  Counts counts() const;  // looks at every waiting chunk
  size_t queued() const;  // ready or waiting
  /// All that are not finished; for each message on its way in.
  size_t held() const;

 private:
  using BySeq = std::map<uint64_t, QueuedChunk>;
  using ByDue = std::multimap<uint64_t, QueuedChunk>;  // by not_before_ms

  // All: mutex held.
  void move_due(uint64_t now);
  void make_ready(QueuedChunk chunk);
  void put_dead(QueuedChunk chunk);
  bool failed_may_go() const;
  bool only_failed() const { return ready_.empty() && refused_.empty(); }
  bool refused_goes(Pick pick) const;
  template <class Place>
  QueuedChunk take_from(Place& place, typename Place::iterator at, bool failed);
  void take_in_hand(uint64_t seq, bool failed = false);
  void leave_hand(uint64_t seq);

  io::Clock& clock_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  BySeq ready_;    // never failed and not refused at the last attempt
  ByDue refused_;  // for now, at the last attempt, and never failed; due again
  ByDue failed_;   // due again
  ByDue waiting_;
  BySeq dead_;
  ByDue dead_waiting_;
  std::map<uint64_t, bool> in_hand_;  // by chunk_seq: to be delivered, and failed before
  size_t failed_in_hand_ = 0;
  size_t failed_in_hand_max_ = std::numeric_limits<size_t>::max();
  bool took_failed_ = false;  // last
  uint64_t taken_ = 0;        // that never failed
  uint64_t bytes_ = 0;
  bool stopped_ = false;
};

}  // namespace millrace::buffer
