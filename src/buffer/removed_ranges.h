// SPDX-License-Identifier: Apache-2.0
#pragma once

// Removed ranges: what the G lines of a position file say of the log: which parts of it were
// removed on purpose. One line may stand for a run of segments. Any thread.

#include <cstdint>
#include <vector>

#include "buffer/position_line.h"
#include "buffer/segment_set.h"

namespace millrace::buffer {

/// True if the G line `line` says that all in `segment` is finished and that its removal was begun.
bool tells_removal(const PositionLine& line, const Segment& segment);

/// The end of the removed ranges that begin at or before `lsn` and go on without a gap.
uint64_t removed_up_to(const std::vector<PositionLine>& removed, uint64_t lsn);

/// The highest end of all of them; `lsn` if that is higher.
uint64_t removed_end_of(const std::vector<PositionLine>& removed, uint64_t lsn);

}  // namespace millrace::buffer
