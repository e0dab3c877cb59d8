// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_queue.h"

#include <algorithm>
#include <chrono>

#include "base/check.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kWaitMsMax = 1'000;  // at a time, so that a clock that jumps is noticed
constexpr size_t kLookedAtMax = 64;

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
  const uint64_t seq = chunk.seq;
  auto& place = chunk.kind == ChunkKind::kDeadLetter ? dead_ : ready_;
  CHECK(place.emplace(seq, std::move(chunk)).second);
  wake_.notify_one();
}

void ChunkQueue::move_due(uint64_t now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    QueuedChunk chunk = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    const uint64_t seq = chunk.seq;
    CHECK(ready_.emplace(seq, std::move(chunk)).second);
  }
}

std::optional<uint64_t> ChunkQueue::wait_due() {
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    const uint64_t now = clock_.running_ms();
    move_due(now);
    if (!ready_.empty()) return ready_.begin()->second.body_bytes;
    if (waiting_.empty()) {
      wake_.wait(lock);
    } else {
      const uint64_t wait_ms = std::min(waiting_.begin()->first - now, kWaitMsMax);
      wake_.wait_for(lock, std::chrono::milliseconds(wait_ms));
    }
  }
  return std::nullopt;
}

std::optional<QueuedChunk> ChunkQueue::take_due(bool untried) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return std::nullopt;
  move_due(clock_.running_ms());
  if (ready_.empty()) return std::nullopt;
  auto chosen = ready_.begin();
  size_t looked_at = 0;
  for (auto chunk = chosen; untried && chunk != ready_.end(); ++chunk) {
    if (chunk->second.failures == 0) chosen = chunk;
    if (chunk->second.failures == 0 || ++looked_at == kLookedAtMax) break;
  }
  QueuedChunk chunk = std::move(chosen->second);
  ready_.erase(chosen);
  CHECK(in_hand_.insert(chunk.seq).second);
  return chunk;
}

std::optional<QueuedChunk> ChunkQueue::take() {
  while (wait_due()) {
    if (std::optional<QueuedChunk> chunk = take_due()) return chunk;
  }
  return std::nullopt;
}

void ChunkQueue::give_back(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  CHECK(in_hand_.erase(chunk.seq) == 1);
  const uint64_t when = chunk.not_before_ms;
  waiting_.emplace(when, std::move(chunk));
  wake_.notify_one();
}

void ChunkQueue::give_up(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  CHECK(in_hand_.erase(chunk.seq) == 1);
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
  CHECK(in_hand_.erase(chunk.seq) == 1 && bytes_ >= chunk.body_bytes);
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
  if (chunk) CHECK(in_hand_.insert(chunk->seq).second);
  return chunk;
}

void ChunkQueue::give_back_dead_letter(QueuedChunk chunk) {
  const std::lock_guard lock(mutex_);
  CHECK(in_hand_.erase(chunk.seq) == 1);
  put_dead(std::move(chunk));
}

std::optional<QueuedChunk> ChunkQueue::take_oldest() {
  const std::lock_guard lock(mutex_);
  const auto waiting =
      std::min_element(waiting_.begin(), waiting_.end(),
                       [](const auto& a, const auto& b) { return a.second.seq < b.second.seq; });
  std::optional<QueuedChunk> chunk;
  if (!ready_.empty() &&
      (waiting == waiting_.end() || ready_.begin()->first < waiting->second.seq)) {
    chunk = std::move(ready_.begin()->second);
    ready_.erase(ready_.begin());
  } else if (waiting != waiting_.end()) {
    chunk = std::move(waiting->second);
    waiting_.erase(waiting);
  }
  if (chunk) CHECK(in_hand_.insert(chunk->seq).second);
  return chunk;
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
      CHECK(in_hand_.insert(at->second.seq).second);
      taken.push_back(std::move(at->second));
      at = chunks.erase(at);
    }
  };
  take_from(ready_);
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
    seqs.assign(in_hand_.begin(), in_hand_.end());
    for (const auto& [seq, chunk] : ready_) seqs.push_back(seq);
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
  return ready_.size() + waiting_.size() + in_hand_.size() + dead_.size() + dead_waiting_.size();
}

size_t ChunkQueue::queued() const {
  const std::lock_guard lock(mutex_);
  return ready_.size() + waiting_.size();
}

ChunkQueue::Counts ChunkQueue::counts() const {
  const std::lock_guard lock(mutex_);
  const uint64_t now = clock_.running_ms();
  uint64_t oldest = now;
  if (!ready_.empty()) oldest = ready_.begin()->second.queued_running_ms;
  size_t due = ready_.size();
  for (const auto& [when, chunk] : waiting_) {
    oldest = std::min(oldest, chunk.queued_running_ms);
    if (when <= now) ++due;
  }
  return Counts{.queued = ready_.size() + waiting_.size(),
                .in_flight = in_hand_.size(),
                .dead_letters = dead_.size() + dead_waiting_.size(),
                .due = due,
                .bytes = bytes_,
                .oldest_age_ms = now - oldest};
}

}  // namespace millrace::buffer
