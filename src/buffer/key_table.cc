// SPDX-License-Identifier: Apache-2.0
#include "buffer/key_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace millrace::buffer {
namespace {

constexpr size_t kEntriesAtFirst = 1024;
constexpr uint64_t kSteps = 360;  // how exactly the window ends
constexpr uint32_t kNothing = UINT32_MAX;

// A key is a hash already; whoever chose its content does not know its seed.
size_t hash_of(const RequestKey& key) {
  uint64_t word = 0;
  std::memcpy(&word, key.data(), sizeof word);
  return static_cast<size_t>(word);
}

}  // namespace

size_t KeyTable::KeyHash::operator()(const RequestKey& key) const { return hash_of(key); }

KeyTable::KeyTable(uint64_t window_ms, size_t entries_max)
    : window_ms_(window_ms),
      step_ms_(std::max<uint64_t>(1, window_ms / kSteps)),
      entries_max_(entries_max) {
  CHECK(entries_max > 0 && entries_max <= kEntriesMax);
  ring_.resize(kEntriesAtFirst);
  slots_.assign(2 * ring_.size(), kNothing);
}

bool KeyTable::is_durable(const RequestKey& key, LogBits logs) const {
  const std::lock_guard lock(mutex_);
  const uint32_t at = slots_[slot_of(key)];
  return at != kNothing && (ring_[at].durable & logs) == logs;
}

bool KeyTable::knows(const RequestKey& key, LogBits logs) const {
  const std::lock_guard lock(mutex_);
  const uint32_t at = slots_[slot_of(key)];
  if (at == kNothing) return false;
  const Entry& known = ring_[at];
  return (known.durable & logs) == logs || ((known.pending & logs) != 0 && !known.ended);
}

KeyTable::Claim KeyTable::claim(const RequestKey& key, LogBits logs, uint64_t now_ms,
                                const Waiter& waiter) {
  CHECK(on() && logs != 0);
  const std::lock_guard lock(mutex_);
  evict_old(now_ms);
  Entry* known = find(key);
  if (known == nullptr) known = &add(key, now_ms);
  if ((known->durable & logs) == logs) return Claim::kDurable;
  if ((known->pending & logs) != 0 && !known->ended) {
    if (waiter) waiters_[key].push_back(waiter);
    return Claim::kPending;
  }
  known->pending |= logs;
  known->ended = false;
  ++known->owners;
  return Claim::kOwned;
}

void KeyTable::durable(const RequestKey& key, LogBits logs) {
  std::vector<Waiter> told;
  {
    const std::lock_guard lock(mutex_);
    if (Entry* known = find(key)) {
      if (!last_owner_left(*known)) return;
      known->pending &= ~logs;
      known->durable |= logs;
      if (known->ended && known->pending == 0) forget(*known);
    }
    told = take_waiters(key);
  }
  for (const Waiter& waiter : told) {
    waiter(true);
  }
}

void KeyTable::failed(const RequestKey& key, LogBits logs) {
  std::vector<Waiter> told;
  {
    const std::lock_guard lock(mutex_);
    if (Entry* known = find(key)) {
      if (!last_owner_left(*known)) return;
      known->pending &= ~logs;
      if (known->pending == 0 && (known->durable == 0 || known->ended)) forget(*known);
    }
    told = take_waiters(key);
  }
  for (const Waiter& waiter : told) {
    waiter(false);
  }
}

void KeyTable::found(const RequestKey& key, LogBits logs, uint64_t now_ms) {
  if (!on()) return;
  const std::lock_guard lock(mutex_);
  Entry* known = find(key);
  if (known == nullptr) known = &add(key, now_ms);
  known->durable |= logs;
}

void KeyTable::ended(const RequestKey& key) {
  const std::lock_guard lock(mutex_);
  Entry* known = find(key);
  if (known != nullptr && known->pending == 0) forget(*known);
}

void KeyTable::renew(const RequestKey& key) {
  const std::lock_guard lock(mutex_);
  Entry* known = find(key);
  if (known == nullptr) return;
  if (known->pending == 0) return forget(*known);
  known->durable = 0;
  known->ended = true;
}

KeyTable::Status KeyTable::status(uint64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  Status status{.entries = live_, .evicted_early = evicted_early_, .window_ms = window_ms_};
  // What is left of the window once keys had to go early.
  if (evicted_early_ > 0 && !milestones_.empty()) {
    status.window_ms = std::min(window_ms_, now_ms - milestones_.front().ms);
  }
  return status;
}

// The slot that holds `key`, or the free one where it belongs.
size_t KeyTable::slot_of(const RequestKey& key) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_of(key) & mask;
  while (slots_[slot] != kNothing && ring_[slots_[slot]].key != key) slot = (slot + 1) & mask;
  return slot;
}

KeyTable::Entry* KeyTable::find(const RequestKey& key) {
  const uint32_t at = slots_[slot_of(key)];
  return at == kNothing ? nullptr : &ring_[at];
}

KeyTable::Entry& KeyTable::add(const RequestKey& key, uint64_t now_ms) {
  if (next_ - first_ == entries_max_) {
    evict_first();
    ++evicted_early_;
    while (milestones_.size() > 1 && milestones_[1].place <= first_) milestones_.pop_front();
  } else if (next_ - first_ == ring_.size()) {
    grow();
  }
  if (milestones_.empty() || now_ms - milestones_.back().ms >= step_ms_) {
    milestones_.push_back({now_ms, next_});
  }
  const uint64_t place = next_++;
  Entry& added = entry(place);
  added = Entry{.key = key};
  index(place);
  ++live_;
  return added;
}

void KeyTable::grow() {
  std::vector<Entry> larger(2 * ring_.size());
  for (uint64_t place = first_; place < next_; ++place) {
    larger[place % larger.size()] = entry(place);
  }
  ring_ = std::move(larger);
  slots_.assign(2 * ring_.size(), kNothing);
  for (uint64_t place = first_; place < next_; ++place) {
    const Entry& moved = entry(place);
    if (moved.pending != 0 || moved.durable != 0) index(place);
  }
}

void KeyTable::index(uint64_t place) {
  const auto at = static_cast<uint32_t>(place % ring_.size());
  slots_[slot_of(ring_[at].key)] = at;
}

// Closes the gap, so that every key can be reached from where it belongs (linear probing).
void KeyTable::erase_slot(size_t slot) {
  const size_t mask = slots_.size() - 1;
  size_t gap = slot;
  for (size_t next = (gap + 1) & mask; slots_[next] != kNothing; next = (next + 1) & mask) {
    const size_t home = hash_of(ring_[slots_[next]].key) & mask;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      slots_[gap] = slots_[next];
      gap = next;
    }
  }
  slots_[gap] = kNothing;
}

// All entries of a milestone were added within a step after it.
void KeyTable::evict_old(uint64_t now_ms) {
  while (!milestones_.empty() && now_ms - milestones_.front().ms >= window_ms_ + step_ms_) {
    milestones_.pop_front();
    const uint64_t end = milestones_.empty() ? next_ : milestones_.front().place;
    while (first_ < end) evict_first();
  }
}

void KeyTable::evict_first() {
  Entry& oldest = entry(first_);
  if (oldest.pending != 0 || oldest.durable != 0) forget(oldest);
  ++first_;
}

// Its place in the ring stays taken until its turn comes.
void KeyTable::forget(Entry& entry) {
  erase_slot(slot_of(entry.key));
  entry.pending = entry.durable = 0;
  entry.owners = 0;
  --live_;
}

// Equal messages that are on their way at once are told together, when the last of them is stored.
bool KeyTable::last_owner_left(Entry& entry) {
  if (entry.owners > 0)
    --entry.owners;  // none: it was found at start, or forgotten for want of room
  return entry.owners == 0;
}

std::vector<KeyTable::Waiter> KeyTable::take_waiters(const RequestKey& key) {
  const auto waiting = waiters_.find(key);
  if (waiting == waiters_.end()) return {};
  std::vector<Waiter> taken = std::move(waiting->second);
  waiters_.erase(waiting);
  return taken;
}

}  // namespace millrace::buffer
