// SPDX-License-Identifier: Apache-2.0
#pragma once

// The option table written out: as conf/millrace.toml, which works as it is installed, and as a
// reference for reading. Both are made of nothing but the table. Any thread.

#include <string>

namespace millrace::config {

/// The commented default file: a forward source on 127.0.0.1:24224, a local output for every tag,
/// and each other option behind "# " with its default and help.
std::string describe_toml();

/// Every option with type, default, bounds and help, section by section.
std::string describe_text();

}  // namespace millrace::config
