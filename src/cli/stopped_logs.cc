// SPDX-License-Identifier: Apache-2.0
#include "cli/stopped_logs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "app/exit_code.h"

namespace millrace::cli {
namespace {

namespace fs = std::filesystem;

// The first line of a LOCK: "pid 123".
std::string holder_of(const Error& error) {
  const std::string holder = shown(error.message.substr(0, error.message.find('\n')));
  return holder.empty() ? "another process" : holder;
}

// By a path only the letter that lies there is meant, not another of its id.
bool is_meant(const buffer::DeadLetterFile& letter, const std::string& name) {
  if (!is_letter_path(name)) return is_named(letter.id, chunk_name(name));
  const fs::path path(name);
  const fs::path place = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code ignored;
  return path.stem().string() == letter.id.hex() &&
         fs::equivalent(place, fs::path(letter.path).parent_path(), ignored);
}

// Which of the letters are meant; marks the names that fitted.
std::vector<buffer::DeadLetterFile> choose(std::vector<buffer::DeadLetterFile> letters,
                                           const BufferArguments& wanted,
                                           std::map<std::string, std::set<std::string>>& fitting) {
  std::erase_if(letters, [&](const buffer::DeadLetterFile& letter) {
    bool meant = wanted.all;
    for (auto& [name, ids] : fitting) {
      if (!is_meant(letter, name)) continue;
      ids.insert(letter.id.uuid());
      meant = true;
    }
    return !meant || (!wanted.reason.empty() && letter.reason != wanted.reason);
  });
  return letters;
}

int check_fitting(const std::map<std::string, std::set<std::string>>& fitting) {
  int code = app::kExitFine;
  for (const auto& [name, ids] : fitting) {
    if (ids.size() == 1) continue;
    if (!ids.empty()) code = app::kExitUsage;
    if (code == app::kExitFine) code = app::kExitBadData;
    complain(ids.empty() ? "no dead letter " + name +
                               " is there; millrace buffer dead-letter ls tells what is"
                         : "several dead letters begin with " + name + "; give more of the id");
  }
  return code;
}

}  // namespace

tl::expected<LettersOfLogs, int> choose_letters(io::FileSystem& files, const Arguments& arguments) {
  const BufferArguments& wanted = arguments.buffer;
  if (wanted.all == !wanted.chunks.empty()) {
    complain("name the dead letters, or give --all");
    return tl::unexpected(app::kExitUsage);
  }
  std::map<std::string, std::set<std::string>> fitting;
  std::vector<std::string> names;
  for (const std::string& name : wanted.chunks) {
    fitting[name];
    if (!is_letter_path(name)) names.push_back(name);
  }
  if (!check_names(names)) return tl::unexpected(app::kExitUsage);
  const auto places = find_logs(files, arguments);
  if (!places) return tl::unexpected(places.error());
  LettersOfLogs chosen;
  for (const LogPlace& place : *places) {
    auto letters = buffer::list_dead_letters(files, place.directory);
    if (!letters) return tl::unexpected(complain_of_error(place.directory, letters.error()));
    auto meant = choose(std::move(*letters), wanted, fitting);
    if (!meant.empty()) chosen.logs.push_back(ChosenLetters{place, std::move(meant)});
  }
  // What is not there may be done already, by a run that was killed.
  chosen.code = check_fitting(fitting);
  if (chosen.code == app::kExitUsage) return tl::unexpected(chosen.code);
  if (chosen.logs.empty() && chosen.code == app::kExitFine)
    complain("no dead letter is there that is meant; nothing is to be done");
  return chosen;
}

Result<> act_as_owner(const std::string& directory) {
  if (::getuid() != 0) return {};
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) return fail_errno(errno, directory);
  // Back to root first: the directory before may have had another owner.
  if (::seteuid(0) != 0 || ::setegid(status.st_gid) != 0 || ::seteuid(status.st_uid) != 0) {
    return fail_errno(errno, "cannot act as the owner of " + directory);
  }
  return {};
}

std::string missing_text(uint64_t records) {
  return records == 0 ? "" : ", " + std::to_string(records) + " are missing";
}

int complain_of_lock(const std::string& directory, const Error& error) {
  if (error.kind != ErrorKind::kLocked) return complain_of_error(directory, error);
  complain_of(directory, "held by " + holder_of(error) +
                             "; stop that process first (systemctl stop millrace), nothing was "
                             "changed");
  return app::kExitLocked;
}

tl::expected<std::unique_ptr<buffer::StoppedLog>, int> open_stopped(io::Io io,
                                                                    const std::string& directory) {
  if (auto acting = act_as_owner(directory); !acting) {
    return tl::unexpected(complain_of_error("millrace", acting.error()));
  }
  auto log = buffer::StoppedLog::open(io, directory);
  if (!log) return tl::unexpected(complain_of_lock(directory, log.error()));
  return std::move(*log);
}

const buffer::QueuedChunk* find_queued(const buffer::StoppedLog& log, const ChunkId& id) {
  const auto& chunks = log.chunks();
  const auto found = std::find_if(chunks.begin(), chunks.end(),
                                  [&](const buffer::QueuedChunk& one) { return one.id == id; });
  return found == chunks.end() ? nullptr : &*found;
}

}  // namespace millrace::cli
