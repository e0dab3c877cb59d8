// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names of hosts, looked up with the system's resolver. Blocks as long as that takes: for the start
// only. Any thread.

#include <string>
#include <vector>

#include "base/ip_network.h"
#include "base/result.h"

namespace millrace::input {

/// Every address of `host`, a name or a numeric address; at least one. kUnreachable: there is none.
Result<std::vector<IpAddress>> addresses_of(const std::string& host);

/// The full name of this machine, as far as it knows it.
std::string machine_name();

}  // namespace millrace::input
