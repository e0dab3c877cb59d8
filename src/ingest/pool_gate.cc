// SPDX-License-Identifier: Apache-2.0
#include "ingest/pool_gate.h"

namespace millrace::ingest {

bool PoolGate::admits(uint64_t estimate, const Use& use, uint64_t now_ms) {
  if (is_large(estimate)) {
    if (use.bytes > use.stuck + kBesideLargeMax) {
      large_wanted_until_ms_ = now_ms + kLargeTurnMs;
      return false;
    }
    large_wanted_until_ms_ = 0;
    large_next_ms_ = now_ms + kLargeTurnMs;
    return true;
  }
  if (now_ms < large_wanted_until_ms_ && now_ms >= large_next_ms_) return false;
  return use.bytes + estimate <= kBytesMax + use.stuck || use.idle;
}

}  // namespace millrace::ingest
