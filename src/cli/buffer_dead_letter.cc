// SPDX-License-Identifier: Apache-2.0
// Dead letters: what there is, removing some, and giving a queued chunk up by hand.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "app/exit_code.h"
#include "base/log.h"
#include "buffer/log_view.h"
#include "cli/chunk_row.h"
#include "cli/chunk_search.h"
#include "cli/commands.h"
#include "cli/stopped_logs.h"
#include "io/real.h"

namespace millrace::cli {
namespace {

constexpr const char* kByHand = "given up by hand";

// Ids of chunks that are in the log whatever becomes of their letters: a command was cut short.
std::set<std::string> unfinished_chunks(io::FileSystem& files, const std::string& directory) {
  std::set<std::string> ids;
  const auto view = buffer::LogView::take(files, directory, false);
  if (!view) return ids;
  for (const auto& [seq, chunk] : (*view)->chunks()) {
    if (!chunk.finished && chunk.found.open) ids.insert(chunk.found.open->id.hex());
  }
  return ids;
}

int remove_letters(io::FileSystem& files, const ChosenLetters& chosen, Output& out) {
  const std::string& directory = chosen.place.directory;
  if (auto acting = act_as_owner(directory); !acting) {
    return complain_of_error("millrace", acting.error());
  }
  auto lock = files.lock(directory + "/LOCK");
  if (!lock) return complain_of_lock(directory, lock.error());
  const std::string holder = fmt::format("pid {} (millrace buffer)\n", ::getpid());
  if (auto described = (*lock)->describe(holder); !described) {
    return complain_of_error(directory, described.error());
  }
  const std::set<std::string> unfinished = unfinished_chunks(files, directory);
  for (const buffer::DeadLetterFile& letter : chosen.letters) {
    if (auto gone = buffer::remove_dead_letter(files, letter); !gone) {
      return complain_of_error("millrace", gone.error());
    }
    const bool stays = unfinished.contains(letter.id.hex());
    out.write(fmt::format("{} removed, {} records{}\n", letter.id.uuid(), letter.records,
                          stays ? "; its chunk stays in the buffer" : ""));
  }
  return app::kExitFine;
}

// By the log's directory, in the order they were named.
using ChunksOfLogs = std::map<std::string, std::vector<ChunkId>>;

ChunksOfLogs choose_chunks(io::FileSystem& files, const Arguments& arguments, int& code) {
  ChunksOfLogs chosen;
  const std::vector<std::string>& names = arguments.buffer.chunks;
  const auto found = find_chunks(files, arguments, names);
  for (size_t i = 0; i < names.size(); ++i) {
    if (!found[i]) {
      code = worse(code, found[i].error());
    } else if (found[i]->chunk == nullptr || found[i]->chunk->finished) {
      complain("chunk " + shown(names[i]) + " is not waiting for its delivery any more");
      code = worse(code, app::kExitBadData);
    } else {
      const FoundPlace& place = *found[i];
      std::vector<ChunkId>& ids = chosen[place.log->place.directory];
      const ChunkId id = place.chunk->found.open->id;
      if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
  }
  return chosen;
}

// Each opening of a log is a recovery and leaves a segment, so there is one for all its chunks.
int give_up(io::Io io, const std::string& directory, const std::vector<ChunkId>& ids, Output& out) {
  auto log = open_stopped(io, directory);
  if (!log) return log.error();
  int code = app::kExitFine;
  buffer::LoadedChunk loaded;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string id = ids[i].uuid();
    const buffer::QueuedChunk* const chunk = find_queued(**log, ids[i]);
    if (chunk == nullptr) {
      complain("chunk " + id + " was finished meanwhile");
      code = worse(code, app::kExitBadData);
      continue;
    }
    if (auto done = (*log)->give_up(*chunk, kByHand, loaded); !done) {
      code = worse(code, complain_of_error(directory, done.error()));
      if (done.error().kind == ErrorKind::kCorrupt) continue;  // nothing is wrong with the others
      if (const size_t left = ids.size() - i - 1; left > 0) {
        complain_of(directory,
                    fmt::format("{} more stay as they are; run the command again", left));
      }
      return code;
    }
    out.write(fmt::format("{} is a dead letter now, {} records{}: {}/dead/{}.chunk\n", id,
                          loaded.records, missing_text(loaded.missing_records), directory,
                          ids[i].hex()));
  }
  return code;
}

}  // namespace

int dead_letter_ls(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  const auto places = find_logs(files, arguments);
  if (!places) return out.finish(places.error());
  int code = app::kExitFine;
  if (!arguments.json) out.write(table_head());
  for (const LogPlace& place : *places) {
    const auto letters = buffer::list_dead_letters(files, place.directory);
    if (!letters) {
      code = worse(code, complain_of_error(place.directory, letters.error()));
      continue;
    }
    for (const buffer::DeadLetterFile& letter : *letters) {
      const std::string& reason = arguments.buffer.reason;
      if (!reason.empty() && letter.reason != reason) continue;
      const ChunkRow row = row_of(place, letter);
      if (!out.write(arguments.json ? json_line(row) : table_line(row))) return out.finish(code);
    }
  }
  return out.finish(code);
}

int dead_letter_rm(const Arguments& arguments, Output& out) {
  io::RealFileSystem files;
  const auto chosen = choose_letters(files, arguments);
  if (!chosen) return out.finish(chosen.error());
  if (!arguments.buffer.yes) {
    uint64_t letters = 0;
    uint64_t records = 0;
    for (const ChosenLetters& one : chosen->logs) {
      letters += one.letters.size();
      for (const buffer::DeadLetterFile& letter : one.letters) records += letter.records;
    }
    complain(
        fmt::format("{} dead letters with {} records would be gone for ever; --yes removes "
                    "them",
                    letters, records));
    return out.finish(app::kExitUsage);
  }
  int code = chosen->code;
  for (const ChosenLetters& letters : chosen->logs) {
    code = worse(code, remove_letters(files, letters, out));
  }
  return out.finish(code);
}

int dead_letter(const Arguments& arguments, Output& out) {
  log::configure(log::Level::kWarn, log::Format::kText);
  io::RealFileSystem files;
  io::RealClock clock;
  io::RealRandom random;
  if (arguments.buffer.chunks.empty()) {
    complain("name the chunks to give up, or use its commands ls and rm");
    return out.finish(app::kExitUsage);
  }
  int code = app::kExitFine;
  const ChunksOfLogs chosen = choose_chunks(files, arguments, code);
  for (const auto& [directory, ids] : chosen) {
    code = worse(code, give_up(io::Io{files, clock, random}, directory, ids, out));
  }
  return out.finish(code);
}

}  // namespace millrace::cli
