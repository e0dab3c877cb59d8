// SPDX-License-Identifier: Apache-2.0
#pragma once

// The states that a crash may leave of a disk at one moment: a kill, which leaves everything, and
// power cuts, which leave any part of what was not synced. All that matter are listed while they
// are few; of many torn writes and subsets a bounded number is drawn from a seed. Does not run
// anything. Invariant: the same disk and seed give the same list, and the kill is its first entry.

#include <cstdint>
#include <string>
#include <vector>

#include "io/disk_state.h"

namespace millrace::fault {

struct CrashState {
  bool kill = false;
  std::vector<io::Survival> survives;  // of each change that is not durable, if it is a power cut

  io::DiskState of(const io::DiskState& disk) const {
    return kill ? disk.after_kill() : disk.after_power_cut(survives);
  }
};

enum class Breadth : uint8_t {
  kAll,  // every change alone lost and alone kept, tears at each sector, subsets
  kFew,  // for crashes within recoveries: about six
};

std::vector<CrashState> crash_states(const io::DiskState& disk, uint64_t seed, Breadth breadth);

/// For people: what the crash does to each change.
std::string describe(const io::DiskState& disk, const CrashState& state);

}  // namespace millrace::fault
