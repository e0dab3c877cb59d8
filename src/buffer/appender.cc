// SPDX-License-Identifier: Apache-2.0
#include "buffer/appender.h"

#include <algorithm>

#include "base/check.h"

namespace millrace::buffer {
namespace {

// A batch of more is not kept for the next one: its lists may have grown large.
constexpr size_t kReusedRequestsMax = 4096;

}  // namespace

Appender::Appender(io::Io io, BlockPool& pool, LogCrc crc, uint32_t epoch, uint64_t start_lsn)
    : io_(io), pool_(pool), crc_(crc), epoch_(epoch), next_start_lsn_(start_lsn), writer_(crc) {
  CHECK(start_lsn % kBlockBytes == 0);
}

Appender::~Appender() = default;

void Appender::begin(uint64_t request_id, const std::optional<RequestKey>& request_key) {
  begin_group(GroupType::kAppend, request_key
                                      ? std::string_view(request_key->data(), request_key->size())
                                      : std::string_view());
  request_id_ = request_id;
  request_key_ = request_key;
  staged_bytes_before_ = staged_bytes_;
  staged_frames_before_ = staged_frames_;
  seal_debt_before_ = seal_debt_;
}

void Appender::begin_group(GroupType type, std::string_view key) {
  if (batch_ == nullptr) batch_ = new_batch();
  batch_->ends_with_pad = false;
  CHECK(undo_.empty() && opened_.empty() && taken_.empty());
  writer_.begin(*batch_, type, key, static_cast<uint32_t>(io_.clock.wall_us() / 1'000'000));
}

// A chunk is opened by its first record, never by the wish for room: that record may turn out to be
// too large or no record at all, and a staged chunk without one could not be sealed.
GroupWriter::Space Appender::space(const StageTarget& target) {
  const auto found = staged_.find(target.stage_key);
  return found == staged_.end() ? GroupWriter::Space{nullptr, 0} : writer_.space(*found->second);
}

void Appender::take(const StageTarget& target, size_t bytes) {
  StagedChunk& chunk = chunk_for(target);
  if (would_pass_limit(chunk, bytes)) {
    // Rare, once a chunk: the record stands behind a frame that must end before it.
    const GroupWriter::Space space = writer_.space(chunk);
    scratch_.assign(space.begin, bytes);
    put(target, scratch_);
    return;
  }
  remember(chunk);
  writer_.take_in_place(chunk, bytes);
  staged_bytes_ += bytes;
}

void Appender::put(const StageTarget& target, std::string_view record) {
  StagedChunk* chunk = &chunk_for(target);
  if (would_pass_limit(*chunk, record.size())) {
    writer_.end_frame();
    seal(std::string(target.stage_key), SealReason::kFull);
    chunk = &chunk_for(target);
  }
  remember(*chunk);
  writer_.put_record(*chunk, record);
  staged_bytes_ += record.size();
}

// Its chunk is never among the staged ones: any name may be the stage key of one of those.
void Appender::put_dead_letter(const StageTarget& target, std::string_view record) {
  StageTarget own = target;
  own.kind = ChunkKind::kDeadLetter;
  std::unique_ptr<StagedChunk> chunk = make_chunk(own);
  writer_.put_record(*chunk, record);
  staged_bytes_ += record.size();
  seal_chunk(std::move(chunk), SealReason::kFull);
}

StagedChunk& Appender::chunk_for(const StageTarget& target) {
  const auto found = staged_.find(target.stage_key);
  return found != staged_.end() ? *found->second : open_chunk(target);
}

StagedChunk& Appender::open_chunk(const StageTarget& target) {
  std::string key(target.stage_key);
  std::unique_ptr<StagedChunk> chunk = make_chunk(target);
  chunk->stage_key = key;
  opened_.push_back(key);
  const auto [place, opened] = staged_.emplace(std::move(key), std::move(chunk));
  CHECK(opened);
  return *place->second;
}

std::unique_ptr<StagedChunk> Appender::make_chunk(const StageTarget& target) {
  CHECK(next_counter_ < (uint64_t{1} << kEpochShift));
  auto chunk = std::make_unique<StagedChunk>();
  chunk->seq = uint64_t{epoch_} << kEpochShift | next_counter_++;
  const uint64_t now_us = io_.clock.wall_us();
  OpenPayload open;
  open.id = ChunkId::make(now_us, {io_.random.next(), io_.random.next()});
  open.created_us = now_us;
  open.payload_format = target.profile->payload_format;
  open.tail = target.profile->tail;
  open.kind = target.kind;
  open.dead_reason = target.dead_reason;
  HeadAndKey head = target.profile->head(open.id);
  open.head = std::move(head.head);
  open.partition_key = std::move(head.partition_key);
  if (target.metadata != nullptr) open.metadata = *target.metadata;
  chunk->kind = target.kind;
  chunk->dead_reason = target.dead_reason;
  chunk->id = open.id;
  chunk->open_bytes = encode(open);
  chunk->opened_running_ms = io_.clock.running_ms();
  chunk->chunk_bytes_max = target.profile->chunk_bytes_max;
  chunk->records_max = target.profile->records_max;
  chunk->seal_each_request = target.profile->seal_each_request;
  chunk->chunk_crc = crc_.seed;
  writer_.put_frame(*chunk, FrameKind::kOpen, 0, chunk->open_bytes);
  renew_seal_debt(*chunk);
  return chunk;
}

// Saves what abort() needs, once a chunk and request; a chunk this request opened needs nothing.
void Appender::remember(StagedChunk& chunk) {
  if (chunk.fresh) return;
  if (!undo_.empty() && undo_.back().chunk == &chunk) return;
  for (const Undo& undo : undo_) {
    if (undo.chunk == &chunk) return;
  }
  undo_.push_back(
      Undo{.chunk = &chunk,
           .body_bytes = chunk.body_bytes,
           .records = chunk.records,
           .next_frame_no = chunk.next_frame_no,
           .chunk_crc = chunk.chunk_crc,
           .frames = chunk.frame_lsns.size(),
           .shares = chunk.shares.size(),
           .last_share_bytes = chunk.shares.empty() ? 0 : chunk.shares.back().frame_bytes});
}

bool Appender::would_pass_limit(const StagedChunk& chunk, size_t bytes) const {
  if (chunk.records == 0) return false;
  return chunk.body_bytes + bytes > chunk.chunk_bytes_max ||
         (chunk.records_max > 0 && chunk.records >= chunk.records_max) ||
         chunk.frame_lsns.size() + 2 + bytes / kDataPayloadBytesMax > kFramesPerChunkMax;
}

void Appender::end() {
  seal_full_chunks();
  end_group();
  batch_->requests.push_back(request_id_);
  if (request_key_) batch_->keys.push_back(*request_key_);
  keep_stage_bounded();
}

void Appender::end_group() {
  writer_.end();
  staged_frames_ += writer_.frames();
  for (const std::string& key : opened_) {
    const auto found = staged_.find(key);
    if (found == staged_.end()) continue;
    found->second->fresh = false;
    renew_seal_debt(*found->second);
  }
  for (const Undo& undo : undo_) {
    const bool sealed = std::any_of(taken_.begin(), taken_.end(),
                                    [&](const auto& taken) { return taken.get() == undo.chunk; });
    if (!sealed) renew_seal_debt(*undo.chunk);
  }
  undo_.clear();
  opened_.clear();
  taken_.clear();
}

void Appender::abort() {
  writer_.abort();  // takes back every byte, and the chunks sealed in the group
  for (const std::string& key : opened_) {
    const auto found = staged_.find(key);
    if (found != staged_.end() && found->second->fresh) staged_.erase(found);
  }
  for (std::unique_ptr<StagedChunk>& taken : taken_) {
    if (taken->fresh) continue;
    std::string key = taken->stage_key;
    CHECK(staged_.emplace(std::move(key), std::move(taken)).second);
  }
  for (const Undo& undo : undo_) {
    StagedChunk& chunk = *undo.chunk;
    chunk.body_bytes = undo.body_bytes;
    chunk.records = undo.records;
    chunk.next_frame_no = undo.next_frame_no;
    chunk.chunk_crc = undo.chunk_crc;
    chunk.frame_lsns.resize(undo.frames);
    chunk.shares.resize(undo.shares);
    if (undo.shares > 0) chunk.shares.back().frame_bytes = undo.last_share_bytes;
  }
  staged_bytes_ = staged_bytes_before_;
  staged_frames_ = staged_frames_before_;
  seal_debt_ = seal_debt_before_;
  undo_.clear();
  opened_.clear();
  taken_.clear();
}

void Appender::put_move(ChunkMove move) {
  begin_group(GroupType::kMove, {});
  const uint64_t bytes_before = batch_->frame_bytes;
  for (std::string_view left = move.frames; !left.empty();) {
    FrameHeader header;
    CHECK(decode(left.substr(0, kFrameHeaderBytes), crc_, header));
    move.seal.frame_lsns[header.frame_no - 1] =
        writer_.copy_frame(header, left.substr(0, header.padded_bytes()));
    left.remove_prefix(header.padded_bytes());
  }
  StagedChunk chunk;
  chunk.seq = move.chunk.seq;
  const auto seal_no = static_cast<uint32_t>(move.seal.frame_lsns.size() + 1);
  move.seal_lsn = writer_.put_frame(chunk, FrameKind::kSeal, seal_no,
                                    encode(move.seal, encode(move.seal.open)));
  writer_.end();
  move.frame_bytes = batch_->frame_bytes - bytes_before;
  std::string().swap(move.frames);
  batch_->moves.push_back(std::move(move));
}

void Appender::put_pad() {
  begin_group(GroupType::kPad, {});
  end_group();
  batch_->ends_with_pad = true;
}

std::unique_ptr<Batch> Appender::close_batch() {
  CHECK(has_batch() && !writer_.open());
  next_start_lsn_ = round_up(batch_->end_lsn(), kBlockBytes);
  return std::move(batch_);
}

std::unique_ptr<Batch> Appender::new_batch() {
  if (used_batch_ == nullptr) return std::make_unique<Batch>(pool_, next_start_lsn_);
  used_batch_->reset(next_start_lsn_);
  return std::move(used_batch_);
}

void Appender::reuse(std::unique_ptr<Batch> batch) {
  const bool keeps = batch->requests.capacity() <= kReusedRequestsMax;
  batch->reset(0);
  if (keeps) used_batch_ = std::move(batch);
}

}  // namespace millrace::buffer
