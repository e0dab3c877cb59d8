// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pool of 1 MiB memory blocks in which commits are built: what a worker holds of data that is not
// yet durable. Keeps a few free blocks warm, returns the rest. It counts; the limit is kept by
// those who admit requests (a request is admitted whole, so the count may pass the limit by one
// request). Loop thread of one worker only, but for bytes_in_use(). Must outlive its blocks.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::buffer {

class BlockPool {
 public:
  static constexpr size_t kBlockBytes = 1 << 20;
  static constexpr size_t kWarmBlocksMax = 8;

  using Memory = std::unique_ptr<char[]>;

  Memory take();
  void give_back(Memory block);

  size_t blocks_in_use() const { return in_use_; }
  /// Any thread.
  uint64_t bytes_in_use() const { return uint64_t{in_use_} * kBlockBytes; }

 private:
  std::vector<Memory> warm_;
  std::atomic<size_t> in_use_{0};
};

}  // namespace millrace::buffer
