// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_queue.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kWaitMsMax = 1'000;  // at a time, so that a clock that jumps is noticed
constexpr uint64_t kNoSeq = std::numeric_limits<uint64_t>::max();

// Chooses what a move can take along.
class MoveLoad {
 public:
  MoveLoad(uint64_t base_lsn, uint64_t frame_bytes_max, uint64_t frame_bytes)
      : base_lsn_(base_lsn), frame_bytes_max_(frame_bytes_max), left_(frame_bytes) {}

  bool takes(const QueuedChunk& chunk) {
    if (!chunk.movable || chunk.damaged) return false;
    uint64_t bytes = 0;
    bool here = false;
    for (const Share& share : chunk.shares) {
      bytes += share.frame_bytes;
      here = here || (share.lsn == base_lsn_ && share.frame_bytes > 0);
    }
    bytes = std::min(bytes, frame_bytes_max_);
    if (!here || bytes > left_) return false;
    left_ -= bytes;
    return true;
  }

 private:
  const uint64_t base_lsn_;
  const uint64_t frame_bytes_max_;
  uint64_t left_;
};

}  // namespace

void ChunkQueue::add(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  bytes_ += chunk.body_bytes;
  chunk.queued_running_ms = clock_.running_ms();
  if (chunk.kind == ChunkKind::kDeadLetter) {
    const uint64_t seq = chunk.seq;
    CHECK(dead_.emplace(seq, std::move(chunk)).second);
  } else {
    make_ready(std::move(chunk));
  }
  wake_.notify_one();
}

void ChunkQueue::limit_failed_in_hand(size_t chunks) {
  CHECK(chunks > 0);
  const std::lock_guard lock(mutex_);
  failed_in_hand_max_ = chunks;
}

void ChunkQueue::make_ready(QueuedChunk chunk) {
  const uint64_t seq = chunk.seq;
  const uint64_t due_ms = chunk.not_before_ms;
  if (chunk.failures > 0) {
    failed_.emplace(due_ms, std::move(chunk));
  } else if (chunk.throttles > 0) {
    refused_.emplace(due_ms, std::move(chunk));
  } else {
    CHECK(ready_.emplace(seq, std::move(chunk)).second);
  }
}

void ChunkQueue::move_due(uint64_t now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    QueuedChunk chunk = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    make_ready(std::move(chunk));
  }
}

// Each may hold a flush thread for as long as a request takes to fail. While others are there it
// waits for one of them to be taken first.
bool ChunkQueue::failed_may_go() const {
  return !failed_.empty() && failed_in_hand_ < failed_in_hand_max_ &&
         (only_failed() || !took_failed_);
}

bool ChunkQueue::refused_goes(Pick pick) const {
  if (refused_.empty() || ready_.empty()) return ready_.empty();
  return pick != Pick::kNewest && (taken_ + 1) % kRefusedTurn == 0;
}

void ChunkQueue::take_in_hand(uint64_t seq, bool failed) {
  CHECK(in_hand_.emplace(seq, failed).second);
  if (failed) ++failed_in_hand_;
}

void ChunkQueue::leave_hand(uint64_t seq) {
  const auto at = in_hand_.find(seq);
  CHECK(at != in_hand_.end());
  if (at->second) {
    --failed_in_hand_;
    wake_.notify_one();  // another of them may go
  }
  in_hand_.erase(at);
}

template <class Place>
QueuedChunk ChunkQueue::take_from(Place& place, typename Place::iterator at, bool failed) {
  QueuedChunk chunk = std::move(at->second);
  place.erase(at);
  take_in_hand(chunk.seq, failed);
  return chunk;
}

std::optional<ChunkQueue::Due> ChunkQueue::wait_due() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    const uint64_t now = clock_.running_ms();
    move_due(now);
    const bool failed = failed_may_go();
    if (failed || !only_failed()) {
      const QueuedChunk& next = failed                        ? failed_.begin()->second
                                : refused_goes(Pick::kInTurn) ? refused_.begin()->second
                                                              : ready_.begin()->second;
      return Due{.bytes = next.body_bytes, .failed = only_failed()};
    }
    if (waiting_.empty()) {
      wake_.wait(lock);
    } else {
      const uint64_t wait_ms = std::min(waiting_.begin()->first - now, kWaitMsMax);
      wake_.wait_for(lock, std::chrono::milliseconds(wait_ms));
    }
  }
  return std::nullopt;
}

std::optional<QueuedChunk> ChunkQueue::take_due(Pick pick) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return std::nullopt;
  move_due(clock_.running_ms());
  took_failed_ = failed_may_go() && pick == Pick::kInTurn;
  if (took_failed_) return take_from(failed_, failed_.begin(), true);
  if (only_failed()) return std::nullopt;
  const bool refused = refused_goes(pick);
  ++taken_;
  if (refused) return take_from(refused_, refused_.begin(), false);
  return take_from(ready_, pick == Pick::kNewest ? std::prev(ready_.end()) : ready_.begin(), false);
}

std::optional<QueuedChunk> ChunkQueue::take() {
  while (wait_due()) {
    if (std::optional<QueuedChunk> chunk = take_due()) return chunk;
  }
  return std::nullopt;
}

void ChunkQueue::give_back(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  leave_hand(chunk.seq);
  const uint64_t when = chunk.not_before_ms;
  waiting_.emplace(when, std::move(chunk));
  wake_.notify_one();
}

void ChunkQueue::give_up(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  leave_hand(chunk.seq);
  chunk.not_before_ms = 0;  // that was for its delivery
  put_dead(std::move(chunk));
}

void ChunkQueue::put_dead(QueuedChunk chunk) {
  const uint64_t seq = chunk.seq;
  if (const uint64_t when = chunk.not_before_ms; when > 0) {
    dead_waiting_.emplace(when, std::move(chunk));
  } else {
    CHECK(dead_.emplace(seq, std::move(chunk)).second);
  }
}

void ChunkQueue::finished(const QueuedChunk& chunk) {
  const std::lock_guard lock(mutex_);
  leave_hand(chunk.seq);
  CHECK(bytes_ >= chunk.body_bytes);
  bytes_ -= chunk.body_bytes;
}

std::optional<QueuedChunk> ChunkQueue::take_dead_letter() {
  const std::lock_guard lock(mutex_);
  std::optional<QueuedChunk> chunk;
  if (!dead_.empty()) {
    chunk = std::move(dead_.begin()->second);
    dead_.erase(dead_.begin());
  } else if (!dead_waiting_.empty() && dead_waiting_.begin()->first <= clock_.running_ms()) {
    chunk = std::move(dead_waiting_.begin()->second);
    dead_waiting_.erase(dead_waiting_.begin());
  }
  if (chunk) take_in_hand(chunk->seq);
  return chunk;
}

void ChunkQueue::give_back_dead_letter(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  leave_hand(chunk.seq);
  put_dead(std::move(chunk));
}

std::optional<QueuedChunk> ChunkQueue::take_oldest() {
  const std::lock_guard lock(mutex_);
  uint64_t seq = ready_.empty() ? kNoSeq : ready_.begin()->first;
  ByDue* place = nullptr;
  ByDue::iterator oldest;
  for (ByDue* const other : {&refused_, &failed_, &waiting_}) {
    for (auto at = other->begin(); at != other->end(); ++at) {
      if (at->second.seq >= seq) continue;
      seq = at->second.seq;
      place = other;
      oldest = at;
    }
  }
  if (seq == kNoSeq) return std::nullopt;
  if (place != nullptr) return take_from(*place, oldest, false);
  return take_from(ready_, ready_.begin(), false);
}

std::vector<QueuedChunk> ChunkQueue::take_to_move(uint64_t base_lsn, uint64_t frame_bytes_max,
                                                  uint64_t frame_bytes) {
  const std::lock_guard lock(mutex_);
  MoveLoad load(base_lsn, frame_bytes_max, frame_bytes);
  std::vector<QueuedChunk> taken;
  const auto take_from = [&](auto& chunks) {
    for (auto at = chunks.begin(); at != chunks.end();) {
      if (!load.takes(at->second)) {
        ++at;
        continue;
      }
      take_in_hand(at->second.seq);
      taken.push_back(std::move(at->second));
      at = chunks.erase(at);
    }
  };
  take_from(ready_);
  take_from(refused_);
  take_from(failed_);
  take_from(waiting_);
  take_from(dead_);
  take_from(dead_waiting_);
  return taken;
}

void ChunkQueue::put_back(QueuedChunk chunk) {
  const bool dead = chunk.kind == ChunkKind::kDeadLetter || chunk.give_up != GiveUp::kNone;
  dead ? give_back_dead_letter(std::move(chunk)) : give_back(std::move(chunk));
}

std::vector<uint64_t> ChunkQueue::unfinished() const {
  std::vector<uint64_t> seqs;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [seq, failed] : in_hand_) seqs.push_back(seq);
    for (const auto& [seq, chunk] : ready_) seqs.push_back(seq);
    for (const auto& [when, chunk] : refused_) seqs.push_back(chunk.seq);
    for (const auto& [when, chunk] : failed_) seqs.push_back(chunk.seq);
    for (const auto& [seq, chunk] : dead_) seqs.push_back(seq);
    for (const auto& [when, chunk] : waiting_) seqs.push_back(chunk.seq);
    for (const auto& [when, chunk] : dead_waiting_) seqs.push_back(chunk.seq);
  }
  std::sort(seqs.begin(), seqs.end());
  return seqs;
}

void ChunkQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

size_t ChunkQueue::held() const {
  const std::lock_guard lock(mutex_);
  return ready_.size() + refused_.size() + failed_.size() + waiting_.size() + in_hand_.size() +
         dead_.size() + dead_waiting_.size();
}

size_t ChunkQueue::queued() const {
  const std::lock_guard lock(mutex_);
  return ready_.size() + refused_.size() + failed_.size() + waiting_.size();
}

ChunkQueue::Counts ChunkQueue::counts() const {
  const std::lock_guard lock(mutex_);
  const uint64_t now = clock_.running_ms();
  uint64_t oldest = now;
  if (!ready_.empty()) oldest = ready_.begin()->second.queued_running_ms;
  size_t due = ready_.size() + refused_.size() + failed_.size();
  for (const auto& [when, chunk] : refused_) oldest = std::min(oldest, chunk.queued_running_ms);
  for (const auto& [when, chunk] : failed_) oldest = std::min(oldest, chunk.queued_running_ms);
  for (const auto& [when, chunk] : waiting_) {
    oldest = std::min(oldest, chunk.queued_running_ms);
    if (when <= now) ++due;
  }
  return Counts{.queued = ready_.size() + refused_.size() + failed_.size() + waiting_.size(),
                .in_flight = in_hand_.size(),
                .dead_letters = dead_.size() + dead_waiting_.size(),
                .due = due,
                .bytes = bytes_,
                .oldest_age_ms = now - oldest};
}

}  // namespace millrace::buffer
