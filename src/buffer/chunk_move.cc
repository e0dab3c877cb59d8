// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_move.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::buffer {

uint64_t ChunkMove::group_bytes() const {
  const OpenPayload& open = seal.open;
  uint64_t open_bytes = 64 + open.head.size() + open.partition_key.size();
  for (const auto& [key, value] : open.metadata) open_bytes += 6 + key.size() + value.size();
  return kGroupHeaderBytes + frames.size() + kFrameHeaderBytes +
         seal_payload_bytes(open_bytes, seal.frame_lsns.size());
}

std::vector<Share> exchanged(std::vector<Share> shares, const std::vector<Share>& freed,
                             const std::vector<Share>& taken) {
  const auto at = [&](uint64_t lsn) -> Share& {
    const auto share = std::find_if(shares.begin(), shares.end(),
                                    [&](const Share& one) { return one.lsn == lsn; });
    return share != shares.end() ? *share : shares.emplace_back(Share{lsn, 0});
  };
  for (const Share& share : freed) {
    Share& left = at(share.lsn);
    CHECK(left.frame_bytes >= share.frame_bytes);
    left.frame_bytes -= share.frame_bytes;
  }
  for (const Share& share : taken) at(share.lsn).frame_bytes += share.frame_bytes;
  return shares;
}

void MoveSlot::note_waiting() {
  waiting_.store(range_.has_value() || !moves_.empty(), std::memory_order_release);
}

std::optional<MoveSlot::Range> MoveSlot::take_range() {
  const std::lock_guard lock(mutex_);
  const std::optional<Range> range = std::exchange(range_, std::nullopt);
  note_waiting();
  return range;
}

std::vector<ChunkMove> MoveSlot::take(uint64_t bytes_max, bool busy, uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (bytes_ > bytes_max || (busy && now_ms - put_ms_ < kPatienceMs)) return {};
  std::vector<ChunkMove> taken = std::exchange(moves_, {});
  note_waiting();
  return taken;
}

bool MoveSlot::filled() const {
  const std::lock_guard lock(mutex_);
  return !moves_.empty();
}

void MoveSlot::ask_to_seal(Range range) {
  const std::lock_guard lock(mutex_);
  range_ = range;
  note_waiting();
}

void MoveSlot::put(std::vector<ChunkMove> moves, uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  CHECK(moves_.empty());
  moves_ = std::move(moves);
  bytes_ = 0;
  for (const ChunkMove& move : moves_) bytes_ += move.group_bytes();
  put_ms_ = now_ms;
  note_waiting();
}

std::vector<ChunkMove> MoveSlot::take_back(bool all, uint64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (!all && now_ms - put_ms_ < kTakenBackMs) return {};
  std::vector<ChunkMove> taken = std::exchange(moves_, {});
  note_waiting();
  return taken;
}

}  // namespace millrace::buffer
