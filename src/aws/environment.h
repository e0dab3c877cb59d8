// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where AWS settings that the configuration leaves out come from. A function, so that tests need
// not change the process. Read while the program starts, on the main thread.

#include <cstdlib>
#include <functional>
#include <string>

namespace millrace::aws {

/// The value of a variable; empty if it is not set.
using Environment = std::function<std::string(const char* name)>;

inline Environment process_environment() {
  return [](const char* name) {
    // Read while starting; nothing in the process changes it.
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
}

}  // namespace millrace::aws
