// SPDX-License-Identifier: Apache-2.0
#pragma once

// The simulated disk by its earlier name: tests and fuzzers that only want files in memory.

#include "io/simulated.h"

namespace millrace::testing {

using MemoryFileSystem = io::SimulatedFileSystem;

}  // namespace millrace::testing
