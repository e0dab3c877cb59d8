// SPDX-License-Identifier: Apache-2.0
#include "buffer/removed_ranges.h"

#include <algorithm>

namespace millrace::buffer {

bool tells_removal(const PositionLine& line, const Segment& segment) {
  return line.chunk_seq <= segment.base_lsn && segment.base_lsn < line.removed_end_lsn() &&
         segment.epoch <= line.removed_epoch();
}

uint64_t removed_up_to(const std::vector<PositionLine>& removed, uint64_t lsn) {
  while (true) {
    const auto line = std::find_if(removed.begin(), removed.end(), [&](const PositionLine& g) {
      return g.chunk_seq <= lsn && lsn < g.removed_end_lsn();
    });
    if (line == removed.end()) return lsn;
    lsn = line->removed_end_lsn();
  }
}

uint64_t removed_end_of(const std::vector<PositionLine>& removed, uint64_t lsn) {
  for (const PositionLine& line : removed) {
    lsn = std::max(lsn, line.removed_end_lsn());
  }
  return lsn;
}

}  // namespace millrace::buffer
