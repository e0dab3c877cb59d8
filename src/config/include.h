// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files that an `include` names: sorted within a pattern, each file once, relative to the file
// that includes. Reads directories, not files. Any thread.

#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::config {

constexpr size_t kIncludedFilesMax = 1000;

/// The files that match `pattern` (glob(7); a relative one starts in the directory of `from`).
/// A pattern without * ? [ that names no file is kNotFound; with one it is an empty list.
Result<std::vector<std::string>> included_files(const std::string& pattern,
                                                const std::string& from);

/// True if both names lead to one file.
bool same_file(const std::string& a, const std::string& b);

}  // namespace millrace::config
