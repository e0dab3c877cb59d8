// SPDX-License-Identifier: Apache-2.0
#pragma once

// All metrics as Prometheus text: the rows of metrics.def under millrace_<name>, build_info, and
// the process_* metrics that every exporter has. Rows of the buffer and of the way out carry the
// label `output` and stand there from the start, at zero, for each output that has cells.
// Any thread; nothing is kept.

#include <string>

#include "metrics/metrics.h"

namespace millrace::metrics {

/// Text format 0.0.4 of the Prometheus exposition formats.
std::string exposition(const Registry& registry, const std::string& version = MILLRACE_VERSION);

/// What to say as Content-Type.
inline constexpr const char* kExpositionContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace millrace::metrics
