// SPDX-License-Identifier: Apache-2.0
#include "buffer/batch.h"

#include <array>
#include <cstring>

#include "base/check.h"

namespace millrace::buffer {

Batch::~Batch() { give_blocks_back(); }

void Batch::give_blocks_back() {
  for (Block& block : blocks_) {
    pool_.give_back(std::move(block.memory));
  }
  blocks_.clear();
}

void Batch::reset(uint64_t start_lsn) {
  give_blocks_back();
  start_lsn_ = start_lsn;
  rewind(Mark{});
  moves.clear();
  pinned.clear();
  ends_with_pad = false;
}

char* Batch::reserve(size_t size) {
  CHECK(size <= BlockPool::kBlockBytes);
  if (tail_bytes() < size) blocks_.push_back(Block{pool_.take(), 0});
  return tail();
}

void Batch::advance(size_t size) {
  CHECK(size <= tail_bytes());
  blocks_.back().used += size;
  bytes_ += size;
}

void Batch::append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (tail_bytes() == 0) blocks_.push_back(Block{pool_.take(), 0});
    const size_t part = std::min(bytes.size(), tail_bytes());
    std::memcpy(tail(), bytes.data(), part);
    advance(part);
    bytes.remove_prefix(part);
  }
}

Batch::Place Batch::block_of(uint64_t lsn) const {
  CHECK(lsn >= start_lsn_ && lsn <= end_lsn());
  size_t block = blocks_.size();
  uint64_t left = end_lsn() - lsn;
  while (left > 0 && left >= blocks_[block - 1].used) left -= blocks_[--block].used;
  if (left == 0) return {block, 0};
  return {block - 1, static_cast<size_t>(blocks_[block - 1].used - left)};
}

Batch::Mark Batch::mark() const {
  return Mark{.blocks = blocks_.size(),
              .used = blocks_.empty() ? 0 : blocks_.back().used,
              .bytes = bytes_,
              .groups = group_headers.size(),
              .requests = requests.size(),
              .keys = keys.size(),
              .sealed = sealed.size(),
              .frame_bytes = frame_bytes,
              .body_bytes = body_bytes,
              .records = records};
}

void Batch::rewind(const Mark& mark) {
  while (blocks_.size() > mark.blocks) {
    pool_.give_back(std::move(blocks_.back().memory));
    blocks_.pop_back();
  }
  if (!blocks_.empty()) blocks_.back().used = mark.used;
  bytes_ = mark.bytes;
  group_headers.resize(mark.groups);
  requests.resize(mark.requests);
  keys.resize(mark.keys);
  sealed.resize(mark.sealed);
  frame_bytes = mark.frame_bytes;
  body_bytes = mark.body_bytes;
  records = mark.records;
}

void Batch::stamp(const LogCrc& crc, uint32_t epoch) {
  for (char* header : group_headers) {
    const uint16_t flags = header == group_headers.back() ? kGroupEndsCommit : 0;
    stamp_group(header, crc, epoch, start_lsn_, flags);
  }
}

void Batch::add_content(std::vector<iovec>& parts) const {
  static const std::array<char, buffer::kBlockBytes> zeros{};
  for (const Block& block : blocks_) {
    if (block.used > 0) parts.push_back(iovec{block.memory.get(), block.used});
  }
  const uint64_t padding = round_up(end_lsn(), buffer::kBlockBytes) - end_lsn();
  if (padding > 0) parts.push_back(iovec{const_cast<char*>(zeros.data()), padding});
}

}  // namespace millrace::buffer
