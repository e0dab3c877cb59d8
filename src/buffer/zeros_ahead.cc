// SPDX-License-Identifier: Apache-2.0
#include "buffer/zeros_ahead.h"

#include <algorithm>
#include <array>

namespace millrace::buffer {

void ZerosAhead::add(std::vector<iovec>& content, uint64_t offset, uint64_t end,
                     uint64_t capacity) {
  static const std::array<char, 16 << 10> zeros{};
  if (end <= written_end_) return;
  written_end_ = end;
  if (end - offset > kSmallCommitBytes) return;
  const uint64_t ahead_end = std::min(capacity, end + kBytes);
  while (written_end_ < ahead_end) {
    const uint64_t part = std::min<uint64_t>(zeros.size(), ahead_end - written_end_);
    content.push_back(iovec{const_cast<char*>(zeros.data()), part});
    written_end_ += part;
  }
}

}  // namespace millrace::buffer
