// SPDX-License-Identifier: Apache-2.0
// When staged chunks are sealed, and the room that their SEALs will take.

#include <algorithm>

#include "base/check.h"
#include "buffer/appender.h"

namespace millrace::buffer {
namespace {

// A chunk so full is sealed with the request that filled it (Fluentd's chunk_full_threshold, 0.95):
// the next message would not fit anyway, and waiting for the interval only delays it.
constexpr uint64_t kFullNumerator = 95;
constexpr uint64_t kFullDenominator = 100;

// Of the SEAL of a chunk with one more DATA frame, which may be open.
uint64_t seal_debt_of(const StagedChunk& chunk) {
  return round_up(kGroupHeaderBytes + kFrameHeaderBytes +
                      seal_payload_bytes(chunk.open_bytes.size(), chunk.frame_lsns.size() + 1),
                  kBlockBytes);
}

}  // namespace

// Seals what this request filled. Only at its end: a chunk in the middle takes all that fits.
void Appender::seal_full_chunks() {
  // What is sealed is in undo_ already, or was opened by this request: neither list grows.
  for (const std::string& key : opened_) seal_if_full(key);
  for (const Undo& undo : undo_) seal_if_full(undo.chunk->stage_key);
}

void Appender::seal_if_full(const std::string& stage_key) {
  const auto found = staged_.find(stage_key);
  if (found == staged_.end()) return;
  const StagedChunk& chunk = *found->second;
  if (chunk.seal_each_request) {
    seal(stage_key, SealReason::kImmediate);
  } else if (chunk.body_bytes * kFullDenominator >= chunk.chunk_bytes_max * kFullNumerator ||
             (chunk.records_max > 0 && chunk.records >= chunk.records_max)) {
    seal(stage_key, SealReason::kFull);
  }
}

void Appender::seal(const std::string& stage_key, SealReason reason) {
  const auto found = staged_.find(stage_key);
  CHECK(found != staged_.end());
  std::unique_ptr<StagedChunk> chunk = std::move(found->second);
  staged_.erase(found);
  seal_chunk(std::move(chunk), reason);
}

void Appender::seal_chunk(std::unique_ptr<StagedChunk> sealed, SealReason reason) {
  writer_.end_frame();
  StagedChunk& chunk = *sealed;
  CHECK(!chunk.frame_lsns.empty());
  remember(chunk);
  SealPayload seal;
  seal.body_bytes = chunk.body_bytes;
  seal.records = chunk.records;
  seal.sealed_us = io_.clock.wall_us();
  seal.chunk_crc = chunk.chunk_crc;
  seal.reason = reason;
  seal.frame_lsns = chunk.frame_lsns;
  const uint64_t lsn = writer_.put_frame(chunk, FrameKind::kSeal, chunk.next_frame_no,
                                         encode(seal, chunk.open_bytes));
  batch_->sealed.push_back(QueuedChunk{.seq = chunk.seq,
                                       .id = chunk.id,
                                       .seal_lsn = lsn,
                                       .body_bytes = chunk.body_bytes,
                                       .records = chunk.records,
                                       .kind = chunk.kind,
                                       .dead_reason = chunk.dead_reason,
                                       .shares = chunk.shares});
  staged_bytes_ -= chunk.body_bytes;
  CHECK(seal_debt_ >= chunk.seal_debt);
  seal_debt_ -= chunk.seal_debt;
  staged_frames_ -= std::min<uint64_t>(staged_frames_, chunk.frame_lsns.size());
  taken_.push_back(std::move(sealed));
}

size_t Appender::seal_where(SealReason reason,
                            const std::function<bool(const StagedChunk&)>& chosen) {
  std::vector<std::string> keys;
  for (const auto& [key, chunk] : staged_) {
    if (chosen(*chunk)) keys.push_back(key);
  }
  if (keys.empty()) return 0;
  begin_group(GroupType::kControl, {});
  for (const std::string& key : keys) {
    // SEALs are at most 600 KB each; a group must stay far below its 4 GiB.
    if (writer_.body_bytes() > (1ULL << 30)) {
      end_group();
      begin_group(GroupType::kControl, {});
    }
    seal(key, reason);
  }
  end_group();
  return keys.size();
}

size_t Appender::seal_older_than(uint64_t opened_before, SealReason reason) {
  return seal_where(
      reason, [=](const StagedChunk& chunk) { return chunk.opened_running_ms <= opened_before; });
}

size_t Appender::seal_all(SealReason reason) {
  return seal_where(reason, [](const StagedChunk&) { return true; });
}

size_t Appender::seal_within(uint64_t from_lsn, uint64_t to_lsn, SealReason reason) {
  return seal_where(reason, [=](const StagedChunk& chunk) {
    return std::any_of(chunk.shares.begin(), chunk.shares.end(), [=](const Share& share) {
      return share.lsn >= from_lsn && share.lsn < to_lsn;
    });
  });
}

void Appender::renew_seal_debt(StagedChunk& chunk) {
  const uint64_t debt = seal_debt_of(chunk);
  CHECK(debt >= chunk.seal_debt);  // frames only come
  seal_debt_ += debt - chunk.seal_debt;
  chunk.seal_debt = debt;
}

uint64_t Appender::seal_debt() const {
  uint64_t debt = kBlockBytes + seal_debt_;
  for (const Undo& undo : undo_) debt += seal_debt_of(*undo.chunk) - undo.chunk->seal_debt;
  for (size_t i = 0; i < opened_.size(); ++i) {
    const auto found =
        i > 0 && opened_[i] == opened_[i - 1] ? staged_.end() : staged_.find(opened_[i]);
    if (found != staged_.end()) debt += seal_debt_of(*found->second) - found->second->seal_debt;
  }
  return debt;
}

uint64_t Appender::count_seal_debt() const {
  uint64_t debt = kBlockBytes;
  for (const auto& [key, chunk] : staged_) debt += seal_debt_of(*chunk);
  return debt;
}

// Limits: staged chunks, and the memory of their frame lists (8 bytes a frame).
void Appender::keep_stage_bounded() {
  const bool lists_large = staged_frames_ * 8 > kStagedFrameListBytesMax;
  if (staged_.size() <= kStagedChunksMax && !lists_large) return;
  auto victim = staged_.begin();
  uint64_t frames = 0;
  for (auto chunk = staged_.begin(); chunk != staged_.end(); ++chunk) {
    frames += chunk->second->frame_lsns.size();
    const bool worse = lists_large
                           ? chunk->second->frame_lsns.size() > victim->second->frame_lsns.size()
                           : chunk->second->opened_running_ms < victim->second->opened_running_ms;
    if (worse) victim = chunk;
  }
  staged_frames_ = frames;
  if (staged_.size() <= kStagedChunksMax && frames * 8 <= kStagedFrameListBytesMax) return;
  const std::string key = victim->first;
  begin_group(GroupType::kControl, {});
  seal(key, SealReason::kFull);
  end_group();
}

}  // namespace millrace::buffer
