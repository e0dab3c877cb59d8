// SPDX-License-Identifier: Apache-2.0
#include "buffer/block_pool.h"

#include "base/check.h"

namespace millrace::buffer {

BlockPool::Memory BlockPool::take() {
  ++in_use_;
  if (warm_.empty()) return Memory(new char[kBlockBytes]);  // not zeroed: every byte is written
  Memory block = std::move(warm_.back());
  warm_.pop_back();
  return block;
}

void BlockPool::give_back(Memory block) {
  CHECK(in_use_ > 0);
  --in_use_;
  if (warm_.size() < kWarmBlocksMax) warm_.push_back(std::move(block));
}

}  // namespace millrace::buffer
