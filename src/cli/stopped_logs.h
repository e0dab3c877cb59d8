// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the `millrace buffer` commands that change a buffer share: the dead letters they are about,
// the LOCK, and whose files are made. They never work on a log that a service has open.
// Main thread.

#include <memory>
#include <string>
#include <vector>

#include "buffer/stopped_log.h"
#include "cli/buffer_logs.h"

namespace millrace::cli {

/// The dead letters of one log that a command is about.
struct ChosenLetters {
  LogPlace place;
  std::vector<buffer::DeadLetterFile> letters;
};

struct LettersOfLogs {
  std::vector<ChosenLetters> logs;
  int code = 0;  // of names that fit none, which was told
};

/// Those named, or all with --all, and with --reason only those of it; or the exit code, when it
/// has been told what is wrong.
tl::expected<LettersOfLogs, int> choose_letters(io::FileSystem& files, const Arguments& arguments);

/// As root: files are made for the owner of `directory` from now on, or the service could not open
/// its own buffer afterwards. An Error if that cannot be.
Result<> act_as_owner(const std::string& directory);

/// ", 5 are missing" of the records that damage took from a chunk; empty: none.
std::string missing_text(uint64_t records);

/// Tells why a log could not be opened for a change and returns the exit code.
int complain_of_lock(const std::string& directory, const Error& error);

/// Opens the log for a change, as its owner. Otherwise the exit code, told.
tl::expected<std::unique_ptr<buffer::StoppedLog>, int> open_stopped(io::Io io,
                                                                    const std::string& directory);

/// The unfinished chunk of this id, or null. It holds until the log changes.
const buffer::QueuedChunk* find_queued(const buffer::StoppedLog& log, const ChunkId& id);

}  // namespace millrace::cli
