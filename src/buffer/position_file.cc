// SPDX-License-Identifier: Apache-2.0
#include "buffer/position_file.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kFreeSlotsMin = 4096;
constexpr uint64_t kLookAgainLines = 1024;
constexpr const char* kName = "/chunks.pos";
constexpr const char* kTooLarge = ": as large as it may be";
constexpr const char* kNextName = "/chunks.pos.next";

// A log that begins at `first_lsn` has something of this removed range, or of what follows it.
bool tells_of_rest(const PositionLine& removed, uint64_t first_lsn) {
  return removed.chunk_seq >= first_lsn || removed.removed_end_lsn() > first_lsn;
}

bool finishes(char kind) { return kind != 'R' && kind != 'G'; }

// Of each unfinished chunk the R with the most attempts; G lines as one per run of ranges.
std::vector<KeptLine> without_repeats(std::vector<KeptLine> lines) {
  std::map<uint64_t, KeptLine> attempts;
  std::map<uint64_t, KeptLine> removed;
  std::vector<KeptLine> kept;
  for (KeptLine& line : lines) {
    if (line.line.kind == 'R') {
      KeptLine& best = attempts[line.line.chunk_seq];
      if (best.line.kind == 0 || best.line.attempts < line.line.attempts) best = std::move(line);
    } else if (line.line.kind == 'G') {
      // A file cut to its header, whose unlink was undone, is removed again as an empty range.
      KeptLine& longest = removed[line.line.chunk_seq];
      if (longest.line.kind == 0 || longest.line.removed_end_lsn() < line.line.removed_end_lsn()) {
        longest = std::move(line);
      }
    } else {
      kept.push_back(std::move(line));
    }
  }
  for (auto& [seq, line] : attempts) {
    kept.push_back(std::move(line));
  }
  const KeptLine* last = nullptr;
  for (auto& [base, line] : removed) {
    if (last != nullptr && last->line.removed_end_lsn() == base) {
      const uint64_t epoch = std::max(last->line.removed_epoch(), line.line.removed_epoch());
      kept.back().line = make_removed_line(last->line.chunk_seq, static_cast<uint32_t>(epoch),
                                           line.line.removed_end_lsn(), line.line.milliseconds);
    } else {
      kept.push_back(std::move(line));
    }
    last = &kept.back();
  }
  return kept;
}

}  // namespace

PositionFile::PositionFile(io::FileSystem& files, std::string directory, PositionHeader header)
    : files_(files),
      directory_(std::move(directory)),
      crc_(LogCrc::of(header.uuid)),
      header_(std::move(header)) {}

Result<std::unique_ptr<PositionFile>> PositionFile::begin(io::FileSystem& files,
                                                          std::string directory,
                                                          PositionHeader header,
                                                          std::vector<KeptLine> lines) {
  std::unique_ptr<PositionFile> position(
      new PositionFile(files, std::move(directory), std::move(header)));
  const std::lock_guard lock(position->mutex_);
  if (auto written = position->rewrite(without_repeats(std::move(lines))); !written) {
    return tl::unexpected(written.error());
  }
  return position;
}

Result<std::unique_ptr<PositionFile>> PositionFile::go_on(io::FileSystem& files,
                                                          std::string directory,
                                                          PositionHeader header,
                                                          std::vector<KeptLine> lines) {
  std::unique_ptr<PositionFile> position(
      new PositionFile(files, std::move(directory), std::move(header)));
  const std::lock_guard lock(position->mutex_);
  if (auto repeated = position->repeat_in_place(lines); !repeated) {
    return tl::unexpected(repeated.error());
  }
  position->lines_ = without_repeats(std::move(lines));
  return position;
}

Result<> PositionFile::repeat_in_place(const std::vector<KeptLine>& lines) {
  const std::string path = directory_ + kName;
  auto text = io::read_whole(files_, path, kPositionFileBytesMax);
  if (!text && text.error().kind != ErrorKind::kNotFound) return tl::unexpected(text.error());
  if (!text || text->size() < kPositionStepBytes) {
    return fail(ErrorKind::kNoSpace, path + ": no room to make it");
  }
  const uint64_t slots = (text->size() - kPositionHeaderBytes) / kPositionLineBytes;
  uint64_t next_slot = 0;
  std::set<std::string_view> there;
  for (uint64_t slot = 0; slot < slots; ++slot) {
    const std::string_view line = std::string_view(*text).substr(
        kPositionHeaderBytes + slot * kPositionLineBytes, kPositionLineBytes);
    if (line.find_first_not_of('\0') == std::string_view::npos) continue;
    there.insert(line);
    next_slot = slot + 1;
  }
  std::string more;
  for (const KeptLine& line : lines) {
    std::string encoded = encode(line.line, crc_);
    if (!there.contains(encoded)) more += encoded;
  }
  text->resize(kPositionHeaderBytes + next_slot * kPositionLineBytes);
  next_slot += more.size() / kPositionLineBytes;
  if (next_slot > slots) return fail(ErrorKind::kNoSpace, path + ": no slot is free in it");
  PositionHeader old;
  if (!decode(*text, old)) text->replace(0, kPositionHeaderBytes, encode(header_));
  auto file = files_.open(path, io::OpenMode::kReadWrite);
  if (!file) return tl::unexpected(file.error());
  if (auto written = (*file)->pwrite(*text + more, 0); !written) return written;
  if (auto synced = (*file)->fdatasync(); !synced) return synced;
  file_ = std::move(*file);
  set_slots(next_slot, slots);
  return files_.sync_directory(directory_);
}

void PositionFile::set_slots(uint64_t next_slot, uint64_t slots) {
  CHECK(next_slot <= slots);
  next_slot_ = next_slot;
  slots_ = slots;
  free_slots_ = slots - next_slot;
}

Result<std::unique_ptr<io::File>> PositionFile::write_next(const std::string& text,
                                                           uint64_t bytes) {
  auto file = files_.open(directory_ + kNextName, io::OpenMode::kCreate);
  if (!file) return file;
  auto done = (*file)->allocate(bytes);
  if (!done && done.error().kind != ErrorKind::kNoSpace) done = (*file)->truncate(bytes);
  if (done) done = (*file)->pwrite(text, 0);
  if (done) done = (*file)->fdatasync();
  if (done) return file;
  (void)files_.unlink(directory_ + kNextName);  // its blocks may be the disk's last
  return tl::unexpected(done.error());
}

// What a dead process left. If it came back beside the new file, whose lines it may lack, a start
// would believe its lines of chunks that went with their segments: a loss that there was not.
Result<> PositionFile::remove_next() {
  const std::string next = directory_ + kNextName;
  const auto there = files_.exists(next);
  if (!there || !*there) return {};
  if (auto gone = files_.unlink(next); !gone) return gone;
  return files_.sync_directory(directory_);
}

Result<> PositionFile::rewrite(std::vector<KeptLine> lines) {
  if (auto gone = remove_next(); !gone) return gone;
  std::string text = encode(header_);
  for (const KeptLine& line : lines) {
    text += encode(line.line, crc_);
  }
  const uint64_t bytes =
      round_up(text.size() + kFreeSlotsMin * kPositionLineBytes, kPositionStepBytes);
  if (bytes > kPositionFileBytesMax) {
    return fail(ErrorKind::kNoSpace, directory_ + kNextName + kTooLarge);
  }
  auto file = write_next(text, bytes);
  if (!file) return tl::unexpected(file.error());
  auto renamed = files_.rename(directory_ + kNextName, directory_ + kName);
  if (!renamed) return renamed;
  file_ = std::move(*file);
  set_slots(lines.size(), (bytes - kPositionHeaderBytes) / kPositionLineBytes);
  lines_ = std::move(lines);
  removals_ = compact_from_lines_ = compact_from_removals_ = 0;
  auto synced = files_.sync_directory(directory_);
  failed_ = dirty_ = !synced;  // which of the two files a start finds is not known
  return synced;
}

// A line that cannot be written is a fact all the same: sync() brings it to disk.
Result<> PositionFile::write_line(const PositionLine& line, const std::vector<Share>& shares) {
  lines_.push_back(KeptLine{line, shares});
  dirty_ = true;
  if (finishes(line.kind)) {
    header_.highest_chunk_seq = std::max(header_.highest_chunk_seq, line.chunk_seq);
  }
  const uint64_t offset = kPositionHeaderBytes + next_slot_ * kPositionLineBytes;
  const bool fits = offset + kPositionLineBytes <= kPositionFileBytesMax;
  auto written = fits ? file_->pwrite(encode(line, crc_), offset)
                      : fail(ErrorKind::kNoSpace, directory_ + kName + kTooLarge);
  if (!written) {
    failed_ = true;
    return written;
  }
  set_slots(next_slot_ + 1, std::max(slots_, next_slot_ + 1));
  return {};
}

Result<> PositionFile::finish(Finish outcome, const QueuedChunk& chunk, uint64_t unix_ms) {
  const std::lock_guard lock(mutex_);
  return write_line(PositionLine{.kind = static_cast<char>(outcome),
                                 .chunk_seq = chunk.seq,
                                 .id = chunk.id,
                                 .attempts = chunk.attempts,
                                 .milliseconds = unix_ms},
                    chunk.shares);
}

Result<> PositionFile::attempt(const QueuedChunk& chunk, uint64_t elapsed_ms) {
  const std::lock_guard lock(mutex_);
  return write_line(PositionLine{.kind = 'R',
                                 .chunk_seq = chunk.seq,
                                 .id = chunk.id,
                                 .attempts = chunk.failures,
                                 .milliseconds = elapsed_ms},
                    chunk.shares);
}

Result<> PositionFile::removed(uint64_t base_lsn, uint32_t epoch, uint64_t end_lsn,
                               uint64_t unix_ms) {
  const std::lock_guard lock(mutex_);
  ++removals_;
  return write_line(make_removed_line(base_lsn, epoch, end_lsn, unix_ms), {});
}

// The kernel may have forgotten what a failed sync did not write: a second one would lie.
Result<> PositionFile::write_again() {
  auto written = rewrite(without_repeats(lines_));
  if (written || written.error().kind != ErrorKind::kNoSpace) return written;
  written = repeat_in_place(lines_);
  failed_ = dirty_ = !written;
  return written;
}

Result<> PositionFile::sync() {
  const std::lock_guard lock(mutex_);
  if (!dirty_) return {};
  if (failed_) return write_again();
  auto synced = file_->fdatasync();
  failed_ = !synced;
  dirty_ = failed_;
  return synced;
}

Result<> PositionFile::reserve(uint64_t unfinished) {
  const std::lock_guard lock(mutex_);
  const uint64_t wanted = next_slot_ + 2 * unfinished + kFreeSlotsMin;
  if (wanted <= slots_) return {};
  const uint64_t bytes =
      std::min(round_up(kPositionHeaderBytes + wanted * kPositionLineBytes, kPositionStepBytes),
               kPositionFileBytesMax);
  const uint64_t slots = (bytes - kPositionHeaderBytes) / kPositionLineBytes;
  if (slots > slots_) {
    auto reserved = file_->allocate(bytes);
    if (!reserved && reserved.error().kind == ErrorKind::kNoSpace) return reserved;
    set_slots(next_slot_, slots);
  }
  if (wanted > slots) return fail(ErrorKind::kNoSpace, directory_ + kName + kTooLarge);
  return {};
}

Result<> PositionFile::compact(uint64_t first_lsn,
                               const std::function<bool(const std::vector<Share>&)>& needed,
                               const std::function<bool(uint64_t)>& unfinished) {
  const std::lock_guard lock(mutex_);
  const uint64_t used = kPositionHeaderBytes + next_slot_ * kPositionLineBytes;
  if (used <= kPositionStepBytes) return {};
  if (lines_.size() < compact_from_lines_ && removals_ < compact_from_removals_) return {};
  std::vector<KeptLine> kept;
  for (const KeptLine& line : lines_) {
    const bool keep = line.line.kind == 'G'   ? tells_of_rest(line.line, first_lsn)
                      : line.line.kind == 'R' ? unfinished(line.line.chunk_seq)
                                              : needed(line.shares);
    if (keep) kept.push_back(line);
  }
  kept = without_repeats(std::move(kept));
  // If this is in vain, it is so until there are twice as many lines as are kept, or segments go.
  compact_from_removals_ = 2 * removals_ + 1;
  compact_from_lines_ = std::max<uint64_t>(2 * kept.size(), lines_.size() + kLookAgainLines);
  if (used < 2 * (kPositionHeaderBytes + kept.size() * kPositionLineBytes)) return {};
  header_.first_lsn = first_lsn;
  return rewrite(std::move(kept));
}

}  // namespace millrace::buffer
