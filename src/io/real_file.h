// SPDX-License-Identifier: Apache-2.0
#pragma once

// A File over a descriptor, and the listing of a directory. Used by RealFileSystem alone.
// Invariant: the descriptor stays open until the File goes, so that no error of a write is reported
// to nobody.

#include "base/unique_fd.h"
#include "io/io.h"

namespace millrace::io {

/// `path` only names the file in errors. `created`: by this open, so that nothing is reserved yet.
std::unique_ptr<File> make_real_file(UniqueFd fd, const std::string& path, bool created);

/// Regular files and directories, without "." and "..", in name order.
Result<std::vector<DirectoryEntry>> list_real_directory(const std::string& path);

}  // namespace millrace::io
