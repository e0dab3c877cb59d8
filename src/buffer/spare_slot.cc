// SPDX-License-Identifier: Apache-2.0
#include "buffer/spare_slot.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::buffer {

uint64_t reserve_bytes(uint64_t capacity, uint64_t seal_debt) {
  return std::max(seal_debt, std::min(kReserveBytesMax, capacity / 4));
}

void SpareSlot::set_active(uint64_t base_lsn, uint64_t capacity) {
  const std::lock_guard lock(mutex_);
  capacity_ = capacity;
  limit_lsn_ = base_lsn + (capacity - std::min(capacity, kSegmentHeaderBytes));
}

void SpareSlot::put(Spare spare) {
  const std::lock_guard lock(mutex_);
  CHECK(!spare_);
  if (spare.capacity >= wanted_) wanted_ = 0;
  spare_ = std::move(spare);
}

std::optional<Spare> SpareSlot::take(uint64_t base_lsn) {
  const std::lock_guard lock(mutex_);
  if (!spare_) return std::nullopt;
  capacity_ = spare_->capacity;
  limit_lsn_ = base_lsn + (capacity_ - kSegmentHeaderBytes);
  wanted_ = wanted_by_commit_ = 0;
  return std::exchange(spare_, std::nullopt);
}

std::optional<Spare> SpareSlot::take_back() {
  const std::lock_guard lock(mutex_);
  return std::exchange(spare_, std::nullopt);
}

bool SpareSlot::filled() const {
  const std::lock_guard lock(mutex_);
  return spare_.has_value();
}

// The open batch rolls as a whole: if the commit before it does not fit either, with that.
uint64_t SpareSlot::batch_bytes_in_spare(const Laid& laid) const {
  const uint64_t begin = laid.open_begin <= limit_lsn_ ? laid.open_begin : laid.closed_begin;
  return kSegmentHeaderBytes + round_up(laid.open_end, kBlockBytes) - begin;
}

// The SEALs may come into the open batch, which then rolls although without them it would not.
bool SpareSlot::leaves(const Laid& laid, uint64_t active_reserve, uint64_t spare_reserve) const {
  if (round_up(laid.open_end, kBlockBytes) + active_reserve <= limit_lsn_) return true;
  return spare_ && batch_bytes_in_spare(laid) + spare_reserve <= spare_->capacity;
}

bool SpareSlot::leaves_reserve(const Laid& laid, uint64_t seal_debt) {
  const std::lock_guard lock(mutex_);
  const uint64_t spare_reserve = spare_ ? reserve_bytes(spare_->capacity, seal_debt) : 0;
  if (leaves(laid, reserve_bytes(capacity_, seal_debt), spare_reserve)) return true;
  // A quarter of the whole is a third of the rest.
  const uint64_t batch = batch_bytes_in_spare(laid);
  wanted_ = std::max(wanted_,
                     round_up(batch + reserve_bytes(4 * (batch / 3 + 1), seal_debt), kBlockBytes));
  return false;
}

bool SpareSlot::leaves_seals(const Laid& laid, uint64_t seal_debt) const {
  const std::lock_guard lock(mutex_);
  return leaves(laid, seal_debt, seal_debt);
}

uint64_t SpareSlot::room_beside_seals(const Laid& laid, uint64_t seal_debt) const {
  const std::lock_guard lock(mutex_);
  const uint64_t end = round_up(laid.open_end, kBlockBytes) + seal_debt;
  const uint64_t rest = limit_lsn_ - std::min(limit_lsn_, end);
  const uint64_t capacity = spare_ ? spare_->capacity : 0;
  return std::max(rest, capacity - std::min(capacity, batch_bytes_in_spare(laid) + seal_debt));
}

void SpareSlot::want(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  wanted_by_commit_ = std::max(wanted_by_commit_, bytes);
}

uint64_t SpareSlot::wanted() const {
  const std::lock_guard lock(mutex_);
  const uint64_t wanted = std::max(wanted_, wanted_by_commit_);
  return spare_ && spare_->capacity >= wanted ? 0 : wanted;
}

void SpareSlot::forget_wanted() {
  const std::lock_guard lock(mutex_);
  wanted_ = 0;
}

uint64_t SpareSlot::disk_bytes() const {
  const std::lock_guard lock(mutex_);
  return spare_ ? spare_->capacity : 0;
}

}  // namespace millrace::buffer
