// SPDX-License-Identifier: Apache-2.0
#pragma once

// TOML text to a tree of Nodes. Runs the gate (toml_gate.h) first. Knows no options. The library's
// exceptions end here. Any thread.

#include <cstdint>
#include <optional>

#include "config/document.h"
#include "config/report.h"

namespace millrace::config {

/// The root table of file `number` of `report`; on a fault nothing, and an error in `report`.
std::optional<Node> parse_toml(uint32_t number, Report& report);

}  // namespace millrace::config
