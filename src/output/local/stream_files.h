// SPDX-License-Identifier: Apache-2.0
#pragma once

// The files of a local stream on disk: local.00000001.jsonl, local.00000002.jsonl ... in one
// directory, each line one record, numbers and sequence numbers rising. Finds where a stream ended
// and makes the next file; the writing is LocalStream's.
// Invariant: a file once made is never renamed, rewritten or removed here; only a torn last line,
// which nobody was told was stored, is cut off. One thread at a time.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace millrace::output {

/// Every sequence number has 19 digits, so that their order as text is their order as numbers.
constexpr uint64_t kFirstSequence = 1'000'000'000'000'000'000;
constexpr size_t kSequenceDigits = 19;
constexpr std::string_view kLineStart = R"({"SequenceNumber":")";

/// A file open for writing at its end.
struct StreamFile {
  UniqueFd fd;
  std::string path;
  uint32_t number = 0;  // of its name; 0: there is no file yet
  uint64_t bytes = 0;   // of whole lines
};

struct StreamEnd {
  StreamFile file;             // the newest file, or none
  uint64_t last_sequence = 0;  // of the newest record; 0: there is none
};

/// Makes the directory (0750, with its parents) if it is not there, opens it and locks it: kLocked
/// if another output or process writes there.
Result<UniqueFd> open_stream_directory(const std::string& path);

/// Finds the end of the stream; cuts a torn last line off, with a warning. kCorrupt if the newest
/// whole line is no record: then nothing is changed.
Result<StreamEnd> find_stream_end(int directory, const std::string& path);

/// Makes the file after `number`, empty and durable in its directory.
Result<StreamFile> make_stream_file(int directory, const std::string& path, uint32_t number);

/// The sequence number that a line begins with; 0 if it begins otherwise.
uint64_t sequence_of(std::string_view line);

}  // namespace millrace::output
