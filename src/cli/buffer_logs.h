// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the `millrace buffer` commands share: which log directories a command is about, how people
// name chunks in them, and how texts and errors are shown. Only looks. One thread.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "buffer/dead_letter_files.h"
#include "buffer/log_view.h"
#include "cli/arguments.h"
#include "cli/output.h"

namespace millrace::cli {

/// The directory of a log. `output` and `worker` are as its path or its segments tell.
struct LogPlace {
  std::string directory;
  std::string output;
  std::string worker;
};

/// The logs that `-c` or `--dir` and `--output` mean, in order of their paths; or the exit code,
/// when it has been told why there are none.
tl::expected<std::vector<LogPlace>, int> find_logs(io::FileSystem& files,
                                                   const Arguments& arguments);

/// A log as a command sees it: its chunks, and the dead letters beside them. If those cannot be
/// listed, that has been told, and `code` is its exit code.
struct ViewedLog {
  LogPlace place;
  std::unique_ptr<buffer::LogView> view;
  std::vector<buffer::DeadLetterFile> letters;
  int code = 0;
};
Result<ViewedLog> view_log(io::FileSystem& files, const LogPlace& place, bool check_payloads);

/// A chunk's id as people write it: 36 or 32 characters, or the first six or more of them.
/// Empty: it is none.
std::string chunk_name(std::string_view text);
inline bool is_named(const ChunkId& id, const std::string& name) {
  return id.hex().starts_with(name);
}
/// True if it is meant as the path of a dead letter, of its .chunk or its .json.
inline bool is_letter_path(const std::string& text) {
  return text.ends_with(".chunk") || text.ends_with(".json");
}
/// All of `names` that are none are told; false if there was one.
bool check_names(const std::vector<std::string>& names);

/// Says what is wrong with `place` and returns the exit code for it.
int complain_of_error(std::string_view place, const Error& error);
/// The worse of two exit codes: any is worse than 0, and the first one stays.
inline int worse(int before, int now) { return before != 0 ? before : now; }

/// Text from a disk for a terminal: invalid UTF-8 and control characters replaced, cut at `max`.
std::string shown(std::string_view text, size_t max = 200);
/// "tag=web.access, key=value".
std::string metadata_text(const buffer::Metadata& metadata);
/// RFC 3339 in UTC, to the second.
std::string time_text(uint64_t unix_us);
/// "KPL fragments, index 0" and the like.
const char* payload_format_text(uint8_t payload_format);

}  // namespace millrace::cli
