// SPDX-License-Identifier: Apache-2.0
#include "buffer/reclaimer.h"

#include <algorithm>

#include "base/log.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kPassedOverMs = 1000;
constexpr uint64_t kUnreadablePassedOverMs = 60'000;

}  // namespace

Reclaimer::Reclaimer(io::Clock& clock, ChunkReader reader, const SegmentSet& segments,
                     ChunkQueue& queue, MoveLimits limits)
    : clock_(clock),
      reader_(std::move(reader)),
      segments_(segments),
      queue_(queue),
      limits_(limits) {}

std::optional<Segment> Reclaimer::next() {
  const uint64_t now = clock_.running_ms();
  if (now < limits_.spill_after_ms) return std::nullopt;
  std::erase_if(not_before_ms_, [now](const auto& entry) { return entry.second <= now; });
  for (Segment& segment : segments_.sparse(now - limits_.spill_after_ms)) {
    if (!not_before_ms_.contains({segment.epoch, segment.base_lsn})) return std::move(segment);
  }
  return std::nullopt;
}

std::vector<ChunkMove> Reclaimer::load(const Segment& segment, uint64_t frame_bytes) {
  std::vector<ChunkMove> moves;
  uint64_t passed_over_ms = kPassedOverMs;
  for (QueuedChunk& chunk :
       queue_.take_to_move(segment.base_lsn, limits_.frame_bytes_max, frame_bytes)) {
    ChunkMove move{.chunk = std::move(chunk), .frames = {}, .seal = {}, .freed = {}};
    auto done = read(segment, move);
    if (done) {
      moves.push_back(std::move(move));
      continue;
    }
    if (done.error().kind == ErrorKind::kCorrupt) move.chunk.movable = false;
    passed_over_ms = kUnreadablePassedOverMs;
    log::warn(
        "buffer", "a chunk cannot be moved; its segment stays until it is delivered",
        {{"chunk", move.chunk.id.uuid()}, {"file", segment.name}, {"error", done.error().message}});
    queue_.put_back(std::move(move.chunk));
  }
  if (moves.empty()) {
    not_before_ms_[{segment.epoch, segment.base_lsn}] = clock_.running_ms() + passed_over_ms;
  }
  return moves;
}

Result<> Reclaimer::read(const Segment& segment, ChunkMove& move) {
  auto seal_bytes = reader_.read_seal(move.chunk.seq, move.chunk.seal_lsn, move.seal);
  if (!seal_bytes) return tl::unexpected(seal_bytes.error());
  uint64_t bytes = 0;
  for (const Share& share : move.chunk.shares) bytes += share.frame_bytes;
  move.whole = bytes <= limits_.frame_bytes_max;
  if (auto read = read_frames(segment, move); !read) return read;
  if (move.whole) {
    move.freed = move.chunk.shares;
    return {};
  }
  const std::optional<Segment> sealed_in = segments_.find(move.chunk.seal_lsn);
  if (!sealed_in) return fail(ErrorKind::kCorrupt, segment.name + ": a frame is missing");
  move.freed = {Share{segment.base_lsn, move.frames.size()},
                Share{sealed_in->base_lsn, *seal_bytes}};
  return {};
}

// Each payload is checked: what is damaged is not copied as if it were good.
Result<> Reclaimer::read_frames(const Segment& segment, ChunkMove& move) {
  for (size_t i = 0; i < move.seal.frame_lsns.size(); ++i) {
    const uint64_t lsn = move.seal.frame_lsns[i];
    if (lsn == kNoLsn) return fail(ErrorKind::kCorrupt, segment.name + ": a frame is missing");
    if (!move.whole && (lsn < segment.base_lsn || lsn >= segment.end_lsn)) continue;
    auto frame = reader_.frame_bytes(move.chunk.seq, move.seal, i);
    if (!frame) return tl::unexpected(frame.error());
    const uint64_t padded = round_up(frame->size(), 8);
    if (!move.whole && !move.frames.empty() &&
        move.frames.size() + padded > limits_.frame_bytes_max) {
      break;
    }
    move.frames.append(*frame);
    move.frames.append(padded - frame->size(), '\0');
  }
  return {};
}

}  // namespace millrace::buffer
