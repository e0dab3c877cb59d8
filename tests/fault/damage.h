// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a single damage may cost (buffer format: P6, I22): each function damages a copy of a golden
// log in one way, starts on it, and says what was broken, or nothing. Shared by the tests and by
// their long forms. Invariant: no verdict depends on anything but the damage.

#include <string>

#include "tests/fault/golden_log.h"

namespace millrace::fault {

/// Bit `bit` of the segment: what is lost lies in one DATA frame, and something was told.
std::string check_segment_flip(const GoldenLog& golden, uint64_t bit);
/// Bit `bit` of the position file: nothing is lost, at most one chunk comes again.
std::string check_position_flip(const GoldenLog& golden, uint64_t bit);

enum class Behind : uint8_t { kNothing, kZeros, kGarbage };
/// The segment is cut at `bytes`: commits that end before are there, requests are there whole or
/// not at all, and nothing is told of corruption.
std::string check_cut(const GoldenLog& golden, uint64_t bytes, Behind behind);

/// 4 KiB of zeros at `offset` of the segment: what is lost lies in frames of that range.
std::string check_zeroed_block(const GoldenLog& golden, uint64_t offset);
/// Up to four places of up to 300 bytes with anything in them, before the last commit: as above.
std::string check_random_damage(const GoldenLog& golden, uint64_t seed);
/// The frame heads of OPEN, of SEAL or of both gone: the chunk's records are sent, or lie in dead/.
std::string check_lost_ends(const GoldenLog& golden, uint64_t chunk_seq, bool open, bool seal);

}  // namespace millrace::fault
