// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the log of an output and a worker lies on disk. Pure.

#include <cstddef>
#include <cstdint>
#include <string>

#include "config/model.h"

namespace millrace::app {

/// The output of events that no [[match]] takes; its index is the number of [[match]].
constexpr const char* kUnmatchedId = "unmatched";

std::string output_id(const config::Config& config, size_t output);
/// The directory whose entries "worker<N>" lead to the logs of `output`.
std::string log_root(const config::Config& config, size_t output);
std::string log_directory(const config::Config& config, size_t output, uint32_t worker);

}  // namespace millrace::app
