// SPDX-License-Identifier: Apache-2.0
#pragma once

// The simulated disk by its earlier name: tests that only cut power ask for no more.

#include "io/simulated.h"

namespace millrace::io {

using LossyFileSystem = SimulatedFileSystem;

}  // namespace millrace::io
