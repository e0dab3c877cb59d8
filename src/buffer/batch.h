// SPDX-License-Identifier: Apache-2.0
#pragma once

// Batch: one commit while it is in memory: groups one after the other in pool blocks, and what
// becomes true when they are durable. The file content is the used parts of the blocks in order; a
// block's unused tail is nowhere. Knows nothing of what the bytes mean.
// Invariant: end_lsn() == start_lsn + the sum of all used bytes; each is a multiple of 8.
// Filled by the loop thread, then handed whole to the commit thread, then back.

#include <sys/uio.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "buffer/block_pool.h"
#include "buffer/chunk.h"
#include "buffer/chunk_move.h"
#include "buffer/request_key.h"

namespace millrace::buffer {

class Batch {
 public:
  Batch(BlockPool& pool, uint64_t start_lsn) : pool_(pool), start_lsn_(start_lsn) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch();  // gives the blocks back: loop thread

  uint64_t start_lsn() const { return start_lsn_; }
  uint64_t end_lsn() const { return start_lsn_ + bytes_; }
  uint64_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

  /// `size` contiguous bytes at the end; goes on in a fresh block when the last one has no room.
  /// size <= BlockPool::kBlockBytes. Valid until the next call that appends.
  char* reserve(size_t size);
  /// What is left in the current block behind the end, without taking another. May be empty.
  char* tail() {
    return blocks_.empty() ? nullptr : blocks_.back().memory.get() + blocks_.back().used;
  }
  size_t tail_bytes() const {
    return blocks_.empty() ? 0 : BlockPool::kBlockBytes - blocks_.back().used;
  }
  /// Takes `size` bytes of tail() as written.
  void advance(size_t size);
  /// Copies bytes in, over as many blocks as it takes.
  void append(std::string_view bytes);
  /// Calls `each` with the part of [from, end) in each block, for CRCs over what may straddle them.
  template <typename Each>
  void for_each_since(uint64_t from_lsn, Each&& each) const {
    auto [block, skipped] = block_of(from_lsn);
    for (; block < blocks_.size(); ++block, skipped = 0) {
      each(std::string_view(blocks_[block].memory.get() + skipped, blocks_[block].used - skipped));
    }
  }

  /// A point to come back to when a request is given up.
  struct Mark {
    size_t blocks = 0;
    size_t used = 0;
    uint64_t bytes = 0;
    size_t groups = 0;
    size_t requests = 0;
    size_t keys = 0;
    size_t sealed = 0;
    uint64_t frame_bytes = 0;
    uint64_t body_bytes = 0;
    uint64_t records = 0;
  };
  Mark mark() const;
  void rewind(const Mark& mark);

  /// Stamps all groups: this commit begins at start_lsn(), everything below it is durable. So only
  /// when the sync of the commit before has returned 0.
  void stamp(const LogCrc& crc, uint32_t epoch);
  /// Adds what goes to disk: the used part of each block, then zeros up to a multiple of
  /// kBlockBytes.
  void add_content(std::vector<iovec>& parts) const;

  /// As new, beginning at `start_lsn`; keeps the memory of its lists. Gives the blocks back: loop
  /// thread.
  void reset(uint64_t start_lsn);

  // What the commit carries, in the order it was added.
  std::vector<char*> group_headers;  // to be stamped
  std::vector<uint64_t> requests;    // ids of the requests that end in it
  std::vector<RequestKey> keys;      // of those requests that have one
  std::vector<QueuedChunk> sealed;   // chunks whose SEAL is in it
  std::vector<ChunkMove> moves;      // laid out in it, never within a request
  std::vector<Share> pinned;         // live bytes that keep segments until it is durable
  uint64_t frame_bytes = 0;          // DATA, SEAL with headers and padding: live once durable
  uint64_t body_bytes = 0;
  uint64_t records = 0;
  bool ends_with_pad = false;  // its only group proves the commit before

 private:
  struct Block {
    BlockPool::Memory memory;
    size_t used = 0;
  };

  struct Place {
    size_t block = 0;
    size_t offset = 0;
  };
  Place block_of(uint64_t lsn) const;
  void give_blocks_back();

  BlockPool& pool_;
  uint64_t start_lsn_;
  uint64_t bytes_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace millrace::buffer
