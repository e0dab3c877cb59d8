// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "app/exit_code.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/requeued_chunk.h"
#include "cli/stopped_logs.h"
#include "io/real.h"

namespace millrace::cli {
namespace {

constexpr uint64_t kCommitBytesMax = 16ULL << 20;

// The dead letters of one log. Each is removed only after its chunk was read back from the log.
class Requeue {
 public:
  Requeue(io::Io io, const ChosenLetters& chosen, const BufferArguments& wanted, Output& out)
      : io_(io), chosen_(chosen), force_(wanted.force), all_(wanted.all), out_(out) {}

  int run() {
    std::vector<const buffer::DeadLetterFile*> sendable;
    std::vector<const buffer::DeadLetterFile*> half_removed;
    for (const buffer::DeadLetterFile& letter : chosen_.letters) {
      if (!letter.has_description) {
        half_removed.push_back(&letter);
        continue;
      }
      const auto chunk = read_requeued(io_.files, letter, force_);
      if (!chunk) {
        note(complain_of_error("millrace", chunk.error()));
      } else if (chunk->records.empty()) {
        pass_over(letter);
      } else {
        sendable.push_back(&letter);
      }
    }
    if (sendable.empty() && half_removed.empty()) return code_;
    auto log = open_stopped(io_, chosen_.place.directory);
    if (!log) return worse(code_, log.error());
    log_ = std::move(*log);
    for (const buffer::DeadLetterFile* letter : half_removed) {
      finish_removal(*letter);
    }
    if (sendable.empty() || !add(sendable)) return code_;
    for (const buffer::DeadLetterFile* letter : added_) {
      finish(*letter);
    }
    return code_;
  }

 private:
  void note(int code) { code_ = worse(code_, code); }

  // It tells what was lost, so it stays; --all means those with something to queue.
  void pass_over(const buffer::DeadLetterFile& letter) {
    complain("chunk " + letter.id.uuid() + ": it holds no records" +
             missing_text(letter.missing_records) +
             "; there is nothing to queue, and millrace buffer dead-letter rm removes it");
    if (!all_) note(app::kExitBadData);
  }

  bool commit() {
    auto committed = log_->commit();
    if (committed) return true;
    note(complain_of_error(chosen_.place.directory, committed.error()));
    complain("the dead letters stay as they are; run the command again");
    return false;
  }

  bool add(const std::vector<const buffer::DeadLetterFile*>& letters) {
    for (const buffer::DeadLetterFile* letter : letters) {
      if (!finish_dead(*letter)) continue;
      if (find_queued(*log_, letter->id) == nullptr) {
        if (log_->was_delivered(letter->id) && !force_) {
          complain("chunk " + letter->id.uuid() +
                   ": it was delivered after it had been put into dead/; --force sends it once "
                   "more, millrace buffer dead-letter rm removes it");
          note(app::kExitBadData);
          continue;
        }
        const auto chunk = read_requeued(io_.files, *letter, force_);
        if (!chunk) {
          note(complain_of_error("millrace", chunk.error()));
          continue;
        }
        log_->add(chunk->open, chunk->records);
        if (log_->pending_bytes() > kCommitBytesMax && !commit()) return false;
      }
      added_.push_back(letter);
    }
    return commit();
  }

  // A letter whose chunk was to become one and has no line yet: it gets that, or the next start
  // would write the letter again. False: it cannot, which was told.
  bool finish_dead(const buffer::DeadLetterFile& letter) {
    const buffer::QueuedChunk* const chunk = find_queued(*log_, letter.id);
    if (chunk == nullptr || chunk->kind == buffer::ChunkKind::kDeliver) return true;
    if (!is_same(letter, chunk)) return false;
    auto done = buffer::sync_given_up(io_.files, buffer::names_of(letter));
    if (done) done = log_->finish_dead(*chunk);
    if (!done) note(complain_of_error(chosen_.place.directory, done.error()));
    return done.has_value();
  }

  // A .chunk without its .json: of a run that was killed, if the log has the same.
  void finish_removal(const buffer::DeadLetterFile& letter) {
    const buffer::QueuedChunk* const chunk = find_queued(*log_, letter.id);
    bool known = chunk != nullptr && chunk->kind == buffer::ChunkKind::kDeliver;
    if (known) {
      auto bytes = io::read_whole(io_.files, letter.path, buffer::kDeadLetterBytesMax);
      const auto read = log_->read(*chunk, loaded_);
      known = bytes && read && !loaded_.damaged && loaded_.bytes == *bytes;
    }
    if (!known) {
      complain_of(letter.path, letter.fault);
      return note(app::kExitBadData);
    }
    if (!remove(letter)) return;
    out_.write(fmt::format("{} removed: the rest of a dead letter that was requeued before\n",
                           letter.id.uuid()));
  }

  // True if the log's chunk, null or not, has the bytes of its letter; else it was told.
  bool is_same(const buffer::DeadLetterFile& letter, const buffer::QueuedChunk* chunk) {
    auto bytes = buffer::read_dead_letter(io_.files, letter);
    auto read = bytes && chunk != nullptr ? log_->read(*chunk, loaded_) : Result<>();
    if (!bytes || !read) {
      note(complain_of_error(letter.path, bytes ? read.error() : bytes.error()));
      return false;
    }
    if (chunk != nullptr && !loaded_.damaged && loaded_.bytes == *bytes) return true;
    complain_of(letter.path, "the chunk of this id in the log has other bytes; both are kept");
    note(app::kExitBadData);
    return false;
  }

  // The chunk is in the log, from this run or one that was killed before it came this far.
  void finish(const buffer::DeadLetterFile& letter) {
    if (!is_same(letter, find_queued(*log_, letter.id))) return;
    if (!remove(letter)) return;
    out_.write(fmt::format("{} requeued, {} records{}, {} bytes\n", letter.id.uuid(),
                           loaded_.records, missing_text(letter.missing_records),
                           loaded_.bytes.size()));
  }

  bool remove(const buffer::DeadLetterFile& letter) {
    auto gone = buffer::remove_dead_letter(io_.files, letter);
    if (!gone) note(complain_of_error("millrace", gone.error()));
    return gone.has_value();
  }

  io::Io io_;
  const ChosenLetters& chosen_;
  const bool force_;
  const bool all_;
  Output& out_;
  int code_ = app::kExitFine;
  std::unique_ptr<buffer::StoppedLog> log_;
  std::vector<const buffer::DeadLetterFile*> added_;
  buffer::LoadedChunk loaded_;
};

}  // namespace

int buffer_requeue(const Arguments& arguments, Output& out) {
  log::configure(log::Level::kWarn, log::Format::kText);
  io::RealFileSystem files;
  io::RealClock clock;
  io::RealRandom random;
  const auto chosen = choose_letters(files, arguments);
  if (!chosen) return out.finish(chosen.error());
  int code = chosen->code;
  for (const ChosenLetters& letters : chosen->logs) {
    Requeue requeue(io::Io{files, clock, random}, letters, arguments.buffer, out);
    code = worse(code, requeue.run());
  }
  return out.finish(code);
}

}  // namespace millrace::cli
