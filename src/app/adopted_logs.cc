// SPDX-License-Identifier: Apache-2.0
#include "app/adopted_logs.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "app/log_places.h"
#include "base/log.h"
#include "buffer/log_directory.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

// Removal begins with this name, so that half a log is never taken for one, and with this file in
// it: who else gives a directory such a name has not said that it may go.
constexpr const char* kRemovedSuffix = ".removed";
constexpr const char* kRemovedMark = "REMOVED";

// "worker12" -> 12; false if it is anything else.
bool parse_worker(const std::string& name, uint32_t& worker) {
  constexpr std::string_view kPrefix = "worker";
  if (!name.starts_with(kPrefix) || name == kPrefix || name[kPrefix.size()] == '0') return false;
  const char* const begin = name.data() + kPrefix.size();
  const char* const end = name.data() + name.size();
  const auto [at, error] = std::from_chars(begin, end, worker);
  return error == std::errc() && at == end;
}

// What cannot be looked into may hold some.
bool may_hold_files(const std::string& directory) {
  std::error_code error;
  const bool there = fs::exists(directory, error);
  if (error || !there) return error || fs::is_symlink(directory, error);  // its disk is not there
  const bool empty = fs::is_empty(directory, error);
  return error || !empty;
}

// The mark goes last, or what is left after a kill would be taken for somebody else's.
Result<> remove_marked(const std::string& directory) {
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename() != kRemovedMark) fs::remove_all(at->path(), error);
  }
  if (!error) fs::remove_all(directory, error);
  return error ? fail(ErrorKind::kIo, directory + ": " + error.message()) : Result<>();
}

Error may_hold_buffers(Error error) {
  error.message += "; it may hold buffers of workers that are no more";
  return error;
}

// The mark takes the place of the LOCK: a full disk has no room for one more file.
Result<> mark(io::FileSystem& files, const std::string& directory) {
  auto marked = files.rename(directory + "/LOCK", directory + "/" + kRemovedMark);
  return marked ? files.sync_directory(directory) : marked;
}

}  // namespace

AdoptedLogs::AdoptedLogs(io::Io io, const config::Config& config, metrics::Registry& registry,
                         ingest::Shared& shared)
    : io_(io), config_(config), registry_(registry), shared_(shared) {}

Result<> AdoptedLogs::find() {
  const bool unmatched = config_.system.unmatched == config::Unmatched::kDead;
  for (size_t i = 0; i < config_.matches.size() + (unmatched ? 1 : 0); ++i) {
    if (auto found = find(i); !found) return found;
  }
  return {};
}

// list() leaves such links out, and so would a disk that is not mounted yet take its buffers away.
Result<> AdoptedLogs::refuse_dangling_links(size_t output) const {
  const fs::path root = log_root(config_, output);
  std::error_code error;
  for (fs::directory_iterator at(root, error), end; !error && at != end; at.increment(error)) {
    uint32_t worker = 0;
    if (!parse_worker(at->path().filename(), worker) || worker < config_.system.workers) continue;
    fs::path path = log_directory(config_, output, worker);
    for (std::error_code ignored; path != root; path = path.parent_path()) {
      if (!fs::is_symlink(path, ignored) || fs::exists(path, ignored)) continue;
      return tl::unexpected(may_hold_buffers(
          Error{.kind = ErrorKind::kIo, .message = path.string() + ": a link that leads nowhere"}));
    }
  }
  return {};
}

Result<> AdoptedLogs::find(size_t output) {
  if (auto fine = refuse_dangling_links(output); !fine) return fine;
  const auto entries = io_.files.list(log_root(config_, output));
  if (!entries && entries.error().kind == ErrorKind::kNotFound) return {};
  if (!entries) return tl::unexpected(may_hold_buffers(entries.error()));
  for (const io::DirectoryEntry& entry : *entries) {
    uint32_t worker = 0;
    // An earlier life began to remove it: below the worker's directory, or that one itself.
    const bool removed = entry.name.ends_with(kRemovedSuffix);
    const std::string name =
        removed ? entry.name.substr(0, entry.name.rfind(kRemovedSuffix)) : entry.name;
    if (!entry.directory || !parse_worker(name, worker)) continue;
    std::string directory = log_directory(config_, output, worker);
    if (removed || worker >= config_.system.workers) {
      const std::string aside = directory + kRemovedSuffix;
      if (io_.files.exists(aside + "/" + kRemovedMark).value_or(false)) (void)remove_marked(aside);
    }
    if (removed) continue;
    // Killed before it got that name: it is in use again.
    const std::string left = directory + "/" + kRemovedMark;
    if (io_.files.exists(left).value_or(false)) (void)io_.files.unlink(left);
    if (worker < config_.system.workers) continue;
    const auto inside = io_.files.list(directory);
    const bool none = !inside && (inside.error().kind == ErrorKind::kNotFound ||
                                  inside.error().errno_value == ENOTDIR);
    if (!inside && !none) return tl::unexpected(may_hold_buffers(inside.error()));
    if (none || !buffer::holds_log(*inside)) continue;
    logs_.push_back(Adopted{.output = output,
                            .worker = worker,
                            .directory = std::move(directory),
                            .log = nullptr,
                            .pool = nullptr});
  }
  return {};
}

std::vector<std::string> AdoptedLogs::directories() const {
  std::vector<std::string> directories;
  for (const Adopted& adopted : logs_) {
    directories.push_back(adopted.directory);
  }
  return directories;
}

Result<> AdoptedLogs::open(const std::atomic<bool>& interrupted) {
  opened_ms_ = io_.clock.running_ms();
  for (Adopted& adopted : logs_) {
    buffer::LogSettings settings{.directory = adopted.directory,
                                 .output_id = output_id(config_, adopted.output),
                                 .worker_id = adopted.worker,
                                 .key_seed = shared_.key_seed,
                                 .keys = shared_.keys.on() ? &shared_.keys : nullptr,
                                 .key_bit = buffer::LogBits{1} << adopted.output};
    auto log = buffer::Log::open(io_, std::move(settings), pool_, registry_, interrupted);
    if (!log) return tl::unexpected(log.error());
    adopted.log = std::move(*log);
    log::info("app", "the buffer of a worker that is no more is delivered, then removed",
              {{"directory", adopted.directory}});
  }
  return {};
}

void AdoptedLogs::start(const std::vector<std::unique_ptr<flush::Outlet>>& outlets,
                        buffer::Housekeeping& housekeeping, buffer::CommitThread& commits) {
  for (Adopted& adopted : logs_) {
    housekeeping.add(*adopted.log, commits);
    if (adopted.log->starting()) adopted.log->submit(commits);
    if (adopted.output >= outlets.size()) continue;
    adopted.pool = std::make_unique<flush::FlushPool>(io_, *adopted.log, *outlets[adopted.output],
                                                      1, registry_);
  }
}

bool AdoptedLogs::is_done(const Adopted& adopted) const {
  if (io_.clock.running_ms() - opened_ms_ < config_.system.dedup_window_ms) return false;
  const buffer::LogStatus now = adopted.log->status();
  return now.queue.queued + now.queue.dead_letters + now.queue.in_flight == 0 &&
         now.unfinished_bytes == 0 && !adopted.log->starting();
}

void AdoptedLogs::tend(buffer::Housekeeping& housekeeping) {
  for (size_t i = 0; i < logs_.size();) {
    Adopted& adopted = logs_[i];
    if (adopted.kept || !is_done(adopted)) {
      ++i;
      continue;
    }
    if (may_hold_files(adopted.directory + "/dead") ||
        may_hold_files(adopted.directory + "/corrupt")) {
      adopted.kept = true;
      log::info("app", "all of a buffer is delivered; its dead/ and corrupt/ are left to you",
                {{"directory", adopted.directory}});
      continue;
    }
    finish(i, housekeeping);
  }
}

void AdoptedLogs::finish(size_t index, buffer::Housekeeping& housekeeping) {
  Adopted done;
  {
    const std::lock_guard lock(mutex_);
    done = std::move(logs_[index]);
    logs_.erase(logs_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  housekeeping.remove(*done.log);
  done.pool.reset();
  done.log.reset();
  if (auto removed = remove(done); !removed) {
    log::warn("app", "all of a buffer is delivered, but it cannot be removed",
              {{"directory", done.directory}, {"error", removed.error().message}});
    return;
  }
  log::info("app", "all of a buffer is delivered; it was removed", {{"directory", done.directory}});
}

// From the rename on it is no log any more. Directories that are not its own, such as the buffers
// of other outputs, are no part of it.
Result<> AdoptedLogs::remove(const Adopted& adopted) {
  auto entries = io_.files.list(adopted.directory);
  if (!entries) return tl::unexpected(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {
    const bool own_directory = entry.name == "dead" || entry.name == "corrupt";
    if (entry.directory ? own_directory : buffer::is_log_file(entry.name)) continue;
    return fail(ErrorKind::kInvalid, adopted.directory + "/" + entry.name + ": not of this buffer");
  }
  std::error_code error;
  if (fs::is_symlink(adopted.directory, error)) {
    return fail(ErrorKind::kInvalid,
                adopted.directory + ": a symbolic link; remove it, and what it leads to");
  }
  const std::string aside = adopted.directory + kRemovedSuffix;
  const fs::path parent = fs::path(adopted.directory).parent_path();
  if (auto marked = mark(io_.files, adopted.directory); !marked) return marked;
  if (auto moved = io_.files.rename(adopted.directory, aside); !moved) return moved;
  if (auto synced = io_.files.sync_directory(parent); !synced) return synced;
  if (auto gone = remove_marked(aside); !gone) return gone;
  if (parent == log_root(config_, adopted.output)) return {};
  // Directories of the output and of the worker, if nothing else lies in them.
  for (const fs::path& empty : {parent, parent.parent_path()}) {
    if (!fs::is_symlink(empty, error)) fs::remove(empty, error);
  }
  return {};
}

void AdoptedLogs::stop(bool cut_short) {
  for (Adopted& adopted : logs_) {
    if (adopted.pool != nullptr) adopted.pool->stop(cut_short);
  }
}

std::vector<AdoptedLogs::Status> AdoptedLogs::status(size_t output) const {
  const std::lock_guard lock(mutex_);
  std::vector<Status> found;
  for (const Adopted& adopted : logs_) {
    if (adopted.output != output || adopted.log == nullptr) continue;
    found.push_back(Status{adopted.worker, adopted.log->status()});
  }
  return found;
}

buffer::ChunkQueue::Counts AdoptedLogs::counts() const {
  const std::lock_guard lock(mutex_);
  buffer::ChunkQueue::Counts sum;
  for (const Adopted& adopted : logs_) {
    if (adopted.log == nullptr) continue;
    const buffer::ChunkQueue::Counts one = adopted.log->queue().counts();
    sum.queued += one.queued;
    sum.dead_letters += one.dead_letters;
    sum.in_flight += one.in_flight;
    sum.due += one.due;
    sum.bytes += one.bytes;
  }
  return sum;
}

}  // namespace millrace::app
