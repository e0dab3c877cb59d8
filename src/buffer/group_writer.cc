// SPDX-License-Identifier: Apache-2.0
#include "buffer/group_writer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace millrace::buffer {
namespace {

// A DATA frame is not begun in a block with less room than this: a header of 32 bytes and a payload
// of a few more would split the memory, and the file, into crumbs.
constexpr size_t kFrameRoomMin = 4096;

void add_share(StagedChunk& chunk, uint64_t commit_lsn, uint64_t frame_bytes) {
  if (chunk.shares.empty() || chunk.shares.back().lsn != commit_lsn) {
    chunk.shares.push_back(Share{commit_lsn, 0});
  }
  chunk.shares.back().frame_bytes += frame_bytes;
}

}  // namespace

void GroupWriter::begin(Batch& batch, GroupType type, std::string_view request_key,
                        uint32_t built_unix) {
  CHECK(batch_ == nullptr && batch.end_lsn() % 8 == 0);
  batch_ = &batch;
  begin_mark_ = batch.mark();
  header_ = GroupHeader{};
  header_.lsn = batch.end_lsn();
  header_.type = type;
  header_.built_unix = built_unix;
  header_.frames_crc = crc_.seed;
  if (!request_key.empty()) {
    CHECK(request_key.size() == sizeof header_.key);
    std::memcpy(header_.key, request_key.data(), request_key.size());
  }
  header_at_ = batch.reserve(kGroupHeaderBytes);
  batch.advance(kGroupHeaderBytes);
}

uint64_t GroupWriter::body_bytes() const {
  return batch_->end_lsn() - header_.lsn - kGroupHeaderBytes;
}

void GroupWriter::pad() {
  constexpr std::string_view kZeros{"\0\0\0\0\0\0\0", 7};
  batch_->append(kZeros.substr(0, (8 - batch_->end_lsn() % 8) % 8));
}

uint64_t GroupWriter::put_frame(StagedChunk& chunk, FrameKind kind, uint32_t frame_no,
                                std::string_view payload) {
  end_frame();
  const uint64_t lsn = batch_->end_lsn();
  FrameHeader header{.kind = kind,
                     .payload_bytes = static_cast<uint32_t>(payload.size()),
                     .chunk_seq = chunk.seq,
                     .frame_no = frame_no,
                     .payload_crc = crc_(payload)};
  encode(header, crc_, batch_->reserve(kFrameHeaderBytes));
  batch_->advance(kFrameHeaderBytes);
  batch_->append(payload);
  count_frame(chunk, header);
  return lsn;
}

void GroupWriter::count_frame(StagedChunk& chunk, const FrameHeader& header) {
  pad();
  header_.frames_crc = chain_crc(header_.frames_crc, header.header_crc);
  ++header_.frames;
  if (header.kind == FrameKind::kOpen) return;
  add_share(chunk, batch_->start_lsn(), header.padded_bytes());
  batch_->frame_bytes += header.padded_bytes();
}

uint64_t GroupWriter::copy_frame(const FrameHeader& header, std::string_view bytes) {
  CHECK(chunk_ == nullptr && bytes.size() == header.padded_bytes());
  const uint64_t lsn = batch_->end_lsn();
  batch_->append(bytes);
  header_.frames_crc = chain_crc(header_.frames_crc, header.header_crc);
  ++header_.frames;
  batch_->frame_bytes += bytes.size();
  return lsn;
}

void GroupWriter::begin_frame(StagedChunk& chunk, uint8_t flags) {
  end_frame();
  if (batch_->tail_bytes() < kFrameRoomMin) batch_->reserve(BlockPool::kBlockBytes);
  frame_mark_ = batch_->mark();
  frame_lsn_ = batch_->end_lsn();
  frame_ = FrameHeader{.kind = FrameKind::kData, .flags = flags, .chunk_seq = chunk.seq};
  frame_at_ = batch_->reserve(kFrameHeaderBytes);
  batch_->advance(kFrameHeaderBytes);
  chunk_ = &chunk;
}

GroupWriter::Space GroupWriter::space(StagedChunk& chunk) {
  if (chunk_ != &chunk || frame_.payload_bytes == kDataPayloadBytesMax) begin_frame(chunk, 0);
  return Space{batch_->tail(),
               std::min<size_t>(batch_->tail_bytes(), kDataPayloadBytesMax - frame_.payload_bytes)};
}

void GroupWriter::take_in_place(StagedChunk& chunk, size_t bytes) {
  CHECK(chunk_ == &chunk);
  batch_->advance(bytes);
  frame_.payload_bytes += static_cast<uint32_t>(bytes);
  ++frame_.records;
  chunk.body_bytes += bytes;
  ++chunk.records;
  batch_->body_bytes += bytes;
  ++batch_->records;
}

void GroupWriter::put_record(StagedChunk& chunk, std::string_view record) {
  const bool large = record.size() > kDataPayloadBytesMax;
  if (chunk_ != &chunk || large || frame_.payload_bytes + record.size() > kDataPayloadBytesMax) {
    begin_frame(chunk, 0);
  }
  ++frame_.records;
  ++chunk.records;
  ++batch_->records;
  chunk.body_bytes += record.size();
  batch_->body_bytes += record.size();
  while (true) {
    const size_t part = std::min<size_t>(record.size(), kDataPayloadBytesMax);
    batch_->append(record.substr(0, part));
    frame_.payload_bytes += static_cast<uint32_t>(part);
    record.remove_prefix(part);
    if (record.empty()) break;
    begin_frame(chunk, kFrameContinues);
  }
  if (large) end_frame();  // whole records only: nothing may follow the end of a split one
}

void GroupWriter::end_frame() {
  if (chunk_ == nullptr) return;
  StagedChunk& chunk = *chunk_;
  chunk_ = nullptr;
  if (frame_.payload_bytes == 0 && frame_.records == 0) {
    batch_->rewind(frame_mark_);
    return;
  }
  frame_.frame_no = chunk.next_frame_no++;
  uint32_t crc = crc_.seed;
  batch_->for_each_since(frame_lsn_ + kFrameHeaderBytes, [&](std::string_view part) {
    crc = crc32c_extend(crc, part.data(), part.size());
  });
  frame_.payload_crc = crc;
  encode(frame_, crc_, frame_at_);
  chunk.chunk_crc = chain_crc(chunk.chunk_crc, frame_.header_crc);
  chunk.frame_lsns.push_back(frame_lsn_);
  count_frame(chunk, frame_);
}

void GroupWriter::end() {
  end_frame();
  const uint64_t body = body_bytes();
  CHECK(body <= kGroupBodyBytesMax);
  header_.body_bytes = static_cast<uint32_t>(body);
  encode(header_, header_at_);
  batch_->group_headers.push_back(header_at_);
  batch_ = nullptr;
}

void GroupWriter::abort() {
  chunk_ = nullptr;
  batch_->rewind(begin_mark_);
  batch_ = nullptr;
}

}  // namespace millrace::buffer
