// SPDX-License-Identifier: Apache-2.0
// How a log gets rid of a segment that is kept for little: housekeeping reads what is left of it,
// the loop lays that out at the head of the log, and when it is durable the segment holds nothing
// any more.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "buffer/log.h"

namespace millrace::buffer {
namespace {

using metrics::Metric;

// Beside the frames of a load: group headers, SEALs, padding.
constexpr uint64_t kMoveOverheadBytes = 1ULL << 20;
constexpr uint64_t kRestMs = 10'000;  // after a load that nobody took

}  // namespace

// Housekeeping. One load at a time, so that requests never wait for more than that.
void Log::tend_moves() {
  const uint64_t now = io_.clock.running_ms();
  for (ChunkMove& move : moves_.take_back(refusing_, now)) {
    queue_.put_back(std::move(move.chunk));
    moves_not_before_ms_ = now + kRestMs;
  }
  moves_want_spare_ = false;
  if (!moves_.attended() || moves_.filled() || move_under_way_ || refusing_) return;
  if (now < moves_not_before_ms_) return;
  const std::optional<Segment> segment = reclaimer_->next();
  if (!segment) return;
  moves_.ask_to_seal({segment->base_lsn, segment->end_lsn});
  const uint64_t most = settings_.moves.frame_bytes_max;
  const uint64_t room = move_room();
  moves_want_spare_ = room < most + kMoveOverheadBytes;
  // On a full disk what is small may still fit.
  std::vector<ChunkMove> moves =
      reclaimer_->load(*segment, std::min(most, room - std::min(room / 4, kMoveOverheadBytes)));
  if (moves.empty()) return;
  if (std::exchange(emptied_, segment->name) != segment->name) {
    log::info("buffer", "a segment is kept for little: what is left of it is moved, then it goes",
              {{"output", settings_.output_id},
               {"worker", settings_.worker_id},
               {"file", segment->name},
               {"live_bytes", segment->live_bytes},
               {"file_bytes", segment->file_bytes}});
  }
  moves_.put(std::move(moves), now);
}

// Loop.
void Log::put_moves() {
  if (const auto range = moves_.take_range()) {
    appender_->seal_within(range->from_lsn, range->to_lsn, SealReason::kReclaim);
  }
  if (refusing_) return;
  const uint64_t room = spares_.room_beside_seals(laid_out(0), appender_->seal_debt());
  const uint64_t left = room - std::min(room, kBlockBytes);
  for (ChunkMove& move : moves_.take(left, appender_->has_batch(), io_.clock.running_ms())) {
    move_under_way_ = true;
    appender_->put_move(std::move(move));
  }
}

// Bytes of a commit that has its room already: no move makes one wait for space, nor takes what the
// SEALs of staged chunks need.
uint64_t Log::move_room() const {
  const uint64_t spare = spares_.disk_bytes();
  const uint64_t room = std::max(writer_->room(), spare - std::min(spare, kSegmentHeaderBytes));
  return room - std::min<uint64_t>(room, seal_debt_);
}

// Commit thread. From here on the new copies are the ones that count.
void Log::moves_durable(Batch& batch) {
  for (ChunkMove& move : batch.moves) {
    const std::vector<Share> taken =
        segments_.resolve({Share{batch.start_lsn(), move.frame_bytes}});
    commit_cells_.add(Metric::kMovedChunks);
    commit_cells_.add(Metric::kMovedBytes, move.frame_bytes);
    if (move.given_back) {
      segments_.release(taken);
      continue;
    }
    segments_.release(move.freed);
    QueuedChunk& chunk = move.chunk;
    chunk.shares = segments_.existing(exchanged(std::move(chunk.shares), move.freed, taken));
    chunk.older_seal_lsn = std::exchange(chunk.seal_lsn, move.seal_lsn);
    queue_.put_back(std::move(chunk));
  }
  batch.moves.clear();
  move_under_way_ = false;
}

// Nobody knows when this commit will be durable, and its chunks must not wait for it: they go back
// as they were. The copies in it will begin a segment of their own, which they must not outlive
// the lines of their chunks in.
void Log::moves_refused(Batch& batch) {
  for (ChunkMove& move : batch.moves) {
    if (std::exchange(move.given_back, true)) continue;
    QueuedChunk chunk = std::move(move.chunk);
    chunk.shares.push_back(Share{batch.start_lsn(), 0});
    // The next slice would have to know this one.
    chunk.movable = move.whole;
    queue_.put_back(std::move(chunk));
  }
}

}  // namespace millrace::buffer
