// SPDX-License-Identifier: Apache-2.0
#include "buffer/batch.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace millrace::buffer {

Batch::~Batch() {
  for (Block& block : blocks_) {
    pool_.give_back(std::move(block.memory));
  }
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

std::vector<std::string_view> Batch::since(uint64_t from_lsn) const {
  CHECK(from_lsn >= start_lsn_ && from_lsn <= end_lsn());
  std::vector<std::string_view> parts;
  uint64_t left = end_lsn() - from_lsn;
  for (auto block = blocks_.rbegin(); block != blocks_.rend() && left > 0; ++block) {
    const size_t part = static_cast<size_t>(std::min<uint64_t>(left, block->used));
    parts.emplace_back(block->memory.get() + block->used - part, part);
    left -= part;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
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

std::vector<iovec> Batch::content() const {
  static const std::array<char, buffer::kBlockBytes> zeros{};
  std::vector<iovec> parts;
  for (const Block& block : blocks_) {
    if (block.used > 0) parts.push_back(iovec{block.memory.get(), block.used});
  }
  const uint64_t padding = round_up(end_lsn(), buffer::kBlockBytes) - end_lsn();
  if (padding > 0) parts.push_back(iovec{const_cast<char*>(zeros.data()), padding});
  return parts;
}

}  // namespace millrace::buffer
