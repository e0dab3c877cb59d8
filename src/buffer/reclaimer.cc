// SPDX-License-Identifier: Apache-2.0
#include "buffer/reclaimer.h"

#include <algorithm>

#include "base/log.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kPassedOverMs = 1000;
constexpr uint64_t kUnreadablePassedOverMs = 60'000;

bool holds(const Segment& segment, uint64_t lsn) {
  return lsn >= segment.base_lsn && lsn < segment.end_lsn;
}

// The frames of a chunk that lie in `from`, and come before `list_end` in the list of its SEAL.
struct Slice {
  const Segment& from;
  size_t list_end = 0;
};

// What a slice with `bytes` there frees in a segment: all that is counted, if nothing that counts
// is left, and else not all of it. After damage a start cannot tell which of several copies have
// been counted: what is counted may be too little or too much.
Share freed_in(const Segment& segment, uint64_t bytes, const Slice& slice, const ChunkMove& move) {
  const auto share = std::find_if(move.chunk.shares.begin(), move.chunk.shares.end(),
                                  [&](const Share& one) { return one.lsn == segment.base_lsn; });
  const uint64_t counted = share == move.chunk.shares.end() ? 0 : share->frame_bytes;
  const std::vector<uint64_t>& listed = move.seal.frame_lsns;
  for (size_t i = 0; i < listed.size(); ++i) {
    const bool moved = i < slice.list_end && holds(slice.from, listed[i]);
    if (moved || !holds(segment, listed[i])) continue;
    return Share{segment.base_lsn, std::min(bytes, counted - std::min<uint64_t>(counted, 1))};
  }
  return Share{segment.base_lsn, counted};
}

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
  const auto slice_end = read_frames(segment, move);
  if (!slice_end) return tl::unexpected(slice_end.error());
  if (move.whole) {
    move.freed = move.chunk.shares;
    return {};
  }
  const std::optional<Segment> sealed_in = segments_.find(move.chunk.seal_lsn);
  if (!sealed_in) return fail(ErrorKind::kCorrupt, segment.name + ": a frame is missing");
  const Slice slice{.from = segment, .list_end = *slice_end};
  if (sealed_in->base_lsn == segment.base_lsn) {
    move.freed = {freed_in(segment, move.frames.size() + *seal_bytes, slice, move)};
  } else {
    move.freed = {freed_in(segment, move.frames.size(), slice, move),
                  freed_in(*sealed_in, *seal_bytes, slice, move)};
  }
  return {};
}

// Each payload is checked: what is damaged is not copied as if it were good.
Result<size_t> Reclaimer::read_frames(const Segment& segment, ChunkMove& move) {
  size_t i = 0;
  for (; i < move.seal.frame_lsns.size(); ++i) {
    const uint64_t lsn = move.seal.frame_lsns[i];
    if (lsn == kNoLsn) return fail(ErrorKind::kCorrupt, segment.name + ": a frame is missing");
    if (!move.whole && !holds(segment, lsn)) continue;
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
  return i;
}

}  // namespace millrace::buffer
