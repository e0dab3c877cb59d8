// SPDX-License-Identifier: Apache-2.0
#include "buffer/segment_set.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kAsideMs = 1000;
constexpr uint32_t kDoublingsMax = 6;  // about a minute

}  // namespace

void SegmentSet::add(Segment segment) {
  const std::lock_guard lock(mutex_);
  if (!segments_.empty()) {
    CHECK(segment.base_lsn >= segments_.back().base_lsn && segment.epoch >= segments_.back().epoch);
    segments_.back().end_lsn = std::min(segments_.back().end_lsn, segment.base_lsn);
  }
  segments_.push_back(std::move(segment));
}

void SegmentSet::add_commit(uint64_t end_lsn, uint64_t frame_bytes) {
  const std::lock_guard lock(mutex_);
  CHECK(!segments_.empty());
  segments_.back().end_lsn = end_lsn;
  segments_.back().live_bytes += frame_bytes;
}

size_t SegmentSet::index_of(uint64_t lsn) const {
  const auto after =
      std::upper_bound(segments_.begin(), segments_.end(), lsn,
                       [](uint64_t value, const Segment& s) { return value < s.base_lsn; });
  if (after == segments_.begin()) return segments_.size();
  return static_cast<size_t>(after - segments_.begin()) - 1;
}

size_t SegmentSet::index_of(const Segment& segment) const {
  for (size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].base_lsn == segment.base_lsn && segments_[i].epoch == segment.epoch) return i;
  }
  CHECK(false);
  return 0;
}

std::vector<Share> SegmentSet::resolve(const std::vector<Share>& shares) const {
  const std::lock_guard lock(mutex_);
  std::vector<Share> resolved;
  for (const Share& share : shares) {
    const size_t index = index_of(share.lsn);
    CHECK(index < segments_.size());
    const uint64_t base = segments_[index].base_lsn;
    if (resolved.empty() || resolved.back().lsn != base) resolved.push_back(Share{base, 0});
    resolved.back().frame_bytes += share.frame_bytes;
  }
  return resolved;
}

void SegmentSet::add_live(const std::vector<Share>& shares) {
  const std::lock_guard lock(mutex_);
  for (const Share& share : shares) {
    if (share.frame_bytes == 0) continue;
    const size_t index = index_of(share.lsn);
    CHECK(index < segments_.size());
    segments_[index].live_bytes += share.frame_bytes;
  }
}

void SegmentSet::release(const std::vector<Share>& shares) {
  const std::lock_guard lock(mutex_);
  for (const Share& share : shares) {
    if (share.frame_bytes == 0) continue;
    const size_t index = index_of(share.lsn);
    CHECK(index < segments_.size() && segments_[index].live_bytes >= share.frame_bytes);
    segments_[index].live_bytes -= share.frame_bytes;
  }
}

std::optional<std::string> SegmentSet::mark_damaged(uint64_t lsn) {
  const std::lock_guard lock(mutex_);
  const size_t index = index_of(lsn);
  if (index == segments_.size() || lsn >= segments_[index].end_lsn) return std::nullopt;
  if (std::exchange(segments_[index].damaged, true)) return std::nullopt;
  return segments_[index].name;
}

std::optional<Segment> SegmentSet::find(uint64_t lsn) const {
  const std::lock_guard lock(mutex_);
  const size_t index = index_of(lsn);
  if (index == segments_.size() || lsn >= segments_[index].end_lsn) return std::nullopt;
  return segments_[index];
}

std::optional<Segment> SegmentSet::newest() const {
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) return std::nullopt;
  return segments_.back();
}

std::optional<Segment> SegmentSet::next_unfinished(uint64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    if (!segments_[i].finished && segments_[i].not_before_ms <= now_ms) return segments_[i];
  }
  return std::nullopt;
}

void SegmentSet::mark_finished(const Segment& segment, uint64_t file_bytes, uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  Segment& found = segments_[index_of(segment)];
  found.finished = true;
  found.finished_ms = now_ms;
  found.not_before_ms = found.failures = 0;
  found.file_bytes = file_bytes;
}

std::vector<Segment> SegmentSet::sparse(uint64_t finished_until_ms) const {
  const std::lock_guard lock(mutex_);
  std::vector<Segment> found;
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    const bool due = segment.finished && segment.finished_ms <= finished_until_ms;
    if (due && segment.live_bytes > 0 && segment.live_bytes * 4 < segment.file_bytes) {
      found.push_back(segment);
    }
  }
  return found;
}

std::optional<Segment> SegmentSet::next_removable(uint64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    const bool before_is_safe = i == 0 || segments_[i - 1].finished;
    if (segments_[i].finished && segments_[i].live_bytes == 0 && before_is_safe &&
        segments_[i].not_before_ms <= now_ms) {
      return segments_[i];
    }
  }
  return std::nullopt;
}

void SegmentSet::set_aside(const Segment& segment, uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  Segment& found = segments_[index_of(segment)];
  found.not_before_ms = now_ms + (kAsideMs << std::min(found.failures++, kDoublingsMax));
}

void SegmentSet::remove(const Segment& segment) {
  const std::lock_guard lock(mutex_);
  const size_t index = index_of(segment);
  CHECK(index + 1 < segments_.size() && segments_[index].live_bytes == 0);
  segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(index));
}

bool SegmentSet::holds_any(const std::vector<Share>& shares) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(shares.begin(), shares.end(), [&](const Share& share) {
    return std::any_of(segments_.begin(), segments_.end(),
                       [&](const Segment& s) { return s.base_lsn == share.lsn; });
  });
}

std::vector<Share> SegmentSet::existing(std::vector<Share> shares) const {
  const std::lock_guard lock(mutex_);
  std::erase_if(shares, [&](const Share& share) {
    return std::none_of(segments_.begin(), segments_.end(),
                        [&](const Segment& s) { return s.base_lsn == share.lsn; });
  });
  return shares;
}

std::vector<Segment> SegmentSet::all() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

bool SegmentSet::holds(uint64_t base_lsn, uint32_t epoch) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(segments_.begin(), segments_.end(),
                     [&](const Segment& s) { return s.base_lsn == base_lsn && s.epoch == epoch; });
}

uint64_t SegmentSet::first_lsn() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? 0 : segments_.front().base_lsn;
}

size_t SegmentSet::count() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

uint64_t SegmentSet::disk_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const Segment& segment : segments_) {
    sum += segment.file_bytes;
  }
  return sum;
}

uint64_t SegmentSet::live_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const Segment& segment : segments_) {
    sum += segment.live_bytes;
  }
  return sum;
}

}  // namespace millrace::buffer
