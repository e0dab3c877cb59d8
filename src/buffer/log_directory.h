// SPDX-License-Identifier: Apache-2.0
#pragma once

// What makes a directory one of a log: its position file or a segment; one of both is enough, for
// people and disks lose the other. Pure.

#include <string>
#include <vector>

#include "io/io.h"

namespace millrace::buffer {

bool holds_log(const std::vector<io::DirectoryEntry>& entries);
/// The same, or dead letters alone.
bool holds_log_or_letters(const std::vector<io::DirectoryEntry>& entries);

/// True of the files that a log makes in its directory; those of people have other names.
bool is_log_file(const std::string& name);

}  // namespace millrace::buffer
