// SPDX-License-Identifier: Apache-2.0
// The second half of a recovery: what was found is made durable and handed on.

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/log.h"
#include "buffer/first_commit.h"
#include "buffer/group_writer.h"
#include "buffer/recovery.h"
#include "buffer/removed_ranges.h"

namespace millrace::buffer {

using metrics::Metric;

namespace {

// Lines of chunks whose frames may lie behind the cut of a segment that was being removed: a power
// cut may undo the cut of a process that was killed before it could sync it.
void keep_lines_of_cut_segments(const LogFiles& files, std::vector<KeptLine>& kept) {
  std::vector<Share> cut;
  for (const Segment& segment : files.segments) {
    for (const PositionLine& line : files.position.removed) {
      if (tells_removal(line, segment) && line.removed_end_lsn() > segment.end_lsn) {
        cut.push_back(Share{segment.base_lsn, 0});
      }
    }
  }
  if (cut.empty()) return;
  std::set<uint64_t> known;
  for (const KeptLine& line : kept) known.insert(line.line.chunk_seq);
  for (const auto& [seq, line] : files.position.finished) {
    if (!known.contains(seq)) kept.push_back(KeptLine{line, cut});
  }
}

}  // namespace

// The unproved tail at its old lsns, then the SEALs of all unsealed chunks, as one commit in a new
// segment that begins at D. A disk without room for it holds up only what belongs into it.
Result<> Recovery::publish(Recovered& out) {
  auto batch = std::make_unique<Batch>(pool_, proof_);
  if (auto copied = copy_tail(*batch); !copied) return copied;
  seal_unsealed(*batch);
  tell_lost();
  if (batch->empty()) {
    GroupWriter writer(crc_);
    writer.begin(*batch, GroupType::kPad, {},
                 static_cast<uint32_t>(io_.clock.wall_us() / 1'000'000));
    writer.end();
    batch->ends_with_pad = true;
  }
  for (Segment& segment : files_.segments) {
    segment.end_lsn = std::min(segment.end_lsn, proof_);
    segments_.add(segment);
  }
  out.epoch = epoch_;
  out.durable_end = proof_;
  out.next_lsn = round_up(batch->end_lsn(), kBlockBytes);
  auto written = write_segment(*batch, out);
  if (!written && written.error().kind == ErrorKind::kNoSpace) {
    claim_tail_keys(*batch);
    batch->frame_bytes = 0;  // counted by chunk, in hold_back()
    out.unwritten = std::move(batch);
    out.refusal = written.error();
    return {};
  }
  if (!written) return written;
  for (const GroupHeader& header : tail_) keep_key(header);
  out.proved = batch->ends_with_pad;
  return out.proved ? Result<>() : prove(out);
}

Result<> Recovery::write_segment(Batch& batch, Recovered& out) {
  const uint64_t needed =
      kSegmentHeaderBytes + (out.next_lsn - proof_) + kBlocksBehindCommit * kBlockBytes;
  out.header = SegmentHeader{.uuid = files_.uuid,
                             .base_lsn = proof_,
                             .epoch = epoch_ - 1,
                             .worker_id = settings_.worker_id,
                             .key_seed = settings_.key_seed,
                             .output_id = settings_.output_id};
  auto spare = make_spare(io_.files, settings_.directory, 0, settings_.segment_bytes, needed);
  if (!spare) return tl::unexpected(spare.error());
  out.header.epoch = epoch_;
  auto published = publish_first_commit(io_, settings_.directory, *spare, out.header, batch, crc_,
                                        segments_, out.next_lsn);
  if (!published) return published;
  out.active = std::move(spare->file);
  out.capacity = spare->capacity;
  out.durable_end = out.next_lsn;
  return {};
}

// What was acked before the end of the last process must not look like a torn write to the next: it
// may be long until this one commits anything. Its block was reserved; where that means nothing and
// the disk is full, the log does it later.
Result<> Recovery::prove(Recovered& out) {
  const auto end = prove_commit(io_, *out.active, pool_, out.header, crc_, segments_, out.next_lsn);
  if (!end && end.error().kind == ErrorKind::kNoSpace) return {};
  if (!end) return tl::unexpected(end.error());
  out.durable_end = out.next_lsn = *end;
  out.proved = true;
  return {};
}

// They count when the tail is durable; who sends such a message again meanwhile waits for that.
void Recovery::claim_tail_keys(Batch& batch) {
  if (settings_.keys == nullptr || !settings_.keys->on()) return;
  for (const GroupHeader& header : tail_) {
    const std::optional<RequestKey> key = key_of(header);
    if (!key) continue;
    if (has_other_seed()) {
      ++foreign_keys_;
      continue;
    }
    settings_.keys->claim(*key, settings_.key_bit, io_.clock.running_ms(), [](bool) {});
    batch.keys.push_back(*key);
  }
}

Result<> Recovery::copy_tail(Batch& batch) {
  while (!tail_.empty() && tail_.back().type == GroupType::kPad) {
    tail_.pop_back();
  }
  if (tail_.empty()) return {};
  const Segment& newest = files_.segments.back();
  auto file = io_.files.open(settings_.directory + "/" + newest.name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  for (const GroupHeader& header : tail_) {
    CHECK(header.lsn == batch.end_lsn());
    std::string bytes(kGroupHeaderBytes + header.body_bytes, '\0');
    auto got = (*file)->pread(bytes.data(), bytes.size(),
                              kSegmentHeaderBytes + (header.lsn - newest.base_lsn));
    if (!got) return tl::unexpected(got.error());
    if (*got != bytes.size())
      return fail(ErrorKind::kCorrupt, newest.name + ": shrank while it was read");
    char* at = batch.reserve(kGroupHeaderBytes);
    std::copy_n(bytes.data(), kGroupHeaderBytes, at);
    batch.advance(kGroupHeaderBytes);
    batch.group_headers.push_back(at);
    batch.append(std::string_view(bytes).substr(kGroupHeaderBytes));
  }
  return {};
}

// No chunk is continued by another process: each gets its SEAL. One that lost its OPEN can't be
// delivered (nobody knows its head and key) and becomes a dead letter.
void Recovery::seal_unsealed(Batch& batch) {
  GroupWriter writer(crc_);
  for (auto& [seq, chunk] : table_.chunks()) {
    if (chunk.sealed) continue;
    if (!chunk.open) {
      const uint64_t now_us = io_.clock.wall_us();
      chunk.open = OpenPayload{};
      chunk.open->id =
          chunk.told_id.value_or(ChunkId::make(now_us, {io_.random.next(), io_.random.next()}));
      chunk.open->created_us = now_us;
      chunk.open->kind = ChunkKind::kDeadLetter;
      chunk.open->dead_reason = DeadReason::kUndecodable;
      chunk.open_bytes = encode(*chunk.open);
    }
    std::optional<StagedChunk> staged = to_staged(seq, chunk, crc_);
    if (!staged) {
      lost_.push_back(chunk.open->id);
      continue;
    }
    if (!writer.open()) {
      writer.begin(batch, GroupType::kControl, {},
                   static_cast<uint32_t>(io_.clock.wall_us() / 1'000'000));
    }
    SealPayload seal;
    seal.body_bytes = staged->body_bytes;
    seal.records = staged->records;
    seal.sealed_us = io_.clock.wall_us();
    seal.chunk_crc = staged->chunk_crc;
    seal.reason = SealReason::kRecovery;
    seal.frame_lsns = staged->frame_lsns;
    const uint64_t lsn = writer.put_frame(*staged, FrameKind::kSeal, staged->next_frame_no,
                                          encode(seal, staged->open_bytes));
    const bool gaps = std::count(seal.frame_lsns.begin(), seal.frame_lsns.end(), kNoLsn) > 0;
    sealed_here_.push_back(QueuedChunk{.seq = seq,
                                       .id = staged->id,
                                       .seal_lsn = lsn,
                                       .body_bytes = staged->body_bytes,
                                       .records = staged->records,
                                       .kind = staged->kind,
                                       .dead_reason = staged->dead_reason,
                                       .damaged = gaps,
                                       .shares = staged->shares});
  }
  if (writer.open()) writer.end();
}

void Recovery::collect_chunks(Recovered& out) {
  std::vector<QueuedChunk> chunks = std::move(sealed_here_);
  for (const auto& [seq, chunk] : table_.chunks()) {
    if (chunk.sealed) chunks.push_back(to_queued(seq, chunk));
  }
  std::sort(chunks.begin(), chunks.end(),
            [](const QueuedChunk& a, const QueuedChunk& b) { return a.seq < b.seq; });
  for (QueuedChunk& chunk : chunks) {
    const auto tried = files_.position.attempts.find(chunk.seq);
    if (tried != files_.position.attempts.end() && tried->second.id == chunk.id) {
      chunk.failures = tried->second.attempts;
      chunk.elapsed_before_ms = tried->second.milliseconds;
    }
    if (out.unwritten != nullptr && chunk.seal_lsn >= proof_) {
      hold_back(std::move(chunk), *out.unwritten);
      continue;
    }
    segments_.add_live(chunk.shares);
    out.chunks.push_back(std::move(chunk));
  }
}

// A chunk whose SEAL is not durable yet. What lies below D keeps its segments all the same, also
// frames that were moved into the tail: until that is durable they are the only copy.
void Recovery::hold_back(QueuedChunk chunk, Batch& batch) {
  for (const Share& share : chunk.shares) {
    if (share.lsn >= proof_) {
      batch.frame_bytes += share.frame_bytes;
      continue;
    }
    segments_.add_live({share, Share{share.lsn, 1}});
    batch.pinned.push_back(Share{share.lsn, 1});
  }
  batch.sealed.push_back(std::move(chunk));
}

Result<> Recovery::begin_position(Recovered& out) {
  const uint64_t first = segments_.first_lsn();
  keep_lines_of_cut_segments(files_, kept_);
  for (const auto& [seq, line] : files_.position.attempts) {
    if (table_.chunks().contains(seq)) kept_.push_back(KeptLine{line, {}});
  }
  // Lsns from D on are given out again if the segments that had them are missing.
  for (const PositionLine& line : files_.position.removed) {
    const uint64_t end = std::min(line.removed_end_lsn(), proof_);
    if (end <= first || line.chunk_seq >= end) continue;
    kept_.push_back(
        KeptLine{make_removed_line(line.chunk_seq, static_cast<uint32_t>(line.removed_epoch()), end,
                                   line.milliseconds),
                 {}});
  }
  if (files_.position.invalid_slots > 0) {
    log::warn("buffer", "lines of the position file do not hold; each costs a repeat at most",
              {{"directory", settings_.directory}, {"lines", files_.position.invalid_slots}});
  }
  // The header tells of no epoch before a segment has it under its name.
  const uint32_t last_epoch = files_.segments.empty() ? 0 : files_.segments.back().epoch;
  PositionHeader header{.uuid = files_.uuid,
                        .highest_epoch = out.unwritten == nullptr ? epoch_ : last_epoch,
                        .highest_chunk_seq = table_.highest_seq(),
                        .first_lsn = first};
  // A new file speaks of a log: its segment comes first.
  Result<std::unique_ptr<PositionFile>> position = tl::unexpected(out.refusal);
  if (out.unwritten == nullptr) {
    position = PositionFile::begin(io_.files, settings_.directory, header, kept_);
  }
  if (!position && position.error().kind == ErrorKind::kNoSpace) {
    position =
        PositionFile::go_on(io_.files, settings_.directory, std::move(header), std::move(kept_));
  }
  if (!position) return tl::unexpected(position.error());
  out.position = std::move(*position);
  return {};
}

}  // namespace millrace::buffer
