// SPDX-License-Identifier: Apache-2.0
#include "buffer/recovery.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "buffer/group_writer.h"

namespace millrace::buffer {

using metrics::Metric;

Recovery::Recovery(io::Io io, RecoverySettings settings, SegmentSet& segments, BlockPool& pool,
                   metrics::Cells& cells, const std::atomic<bool>& interrupted)
    : io_(io),
      settings_(std::move(settings)),
      segments_(segments),
      pool_(pool),
      cells_(cells),
      interrupted_(interrupted) {}

// The story of a start.
Result<Recovered> Recovery::run() {
  auto files = survey(io_.files, settings_.directory, cells_);
  if (!files) return tl::unexpected(files.error());
  files_ = std::move(*files);
  if (files_.uuid.empty()) {
    const uint64_t words[2] = {io_.random.next(), io_.random.next()};
    files_.uuid.assign(reinterpret_cast<const char*>(words), sizeof words);
  }
  crc_ = LogCrc::of(files_.uuid);
  if (auto read = read_side_files(); !read) return tl::unexpected(read.error());
  if (files_.highest_epoch >= kEpochMax) {
    return fail(ErrorKind::kInvalid, settings_.directory +
                                         ": all epochs are used; deliver what is "
                                         "queued, then move the directory away");
  }
  epoch_ = files_.highest_epoch + 1;
  if (!files_.segments.empty()) {
    if (auto proved = find_proof(files_.segments.back()); !proved) {
      return tl::unexpected(proved.error());
    }
  }
  for (const Segment& segment : files_.segments) {
    if (interrupted_) return fail(ErrorKind::kInterrupted, "stopped while the buffer was read");
    const bool newest = &segment == &files_.segments.back();
    if (!newest && take_side_file(segment)) continue;
    const uint64_t held_before = held_;
    auto read = read_segment(segment, newest);
    if (!read) return tl::unexpected(read.error());
    const bool empty = segment.end_lsn == segment.base_lsn && !segment.damaged && !newest;
    if (held_ == held_before && !empty) report_unreadable(segment);
  }
  recall_lost();
  report_missing();
  report_position();
  drop_finished();
  Recovered out;
  if (auto published = publish(out); !published) return tl::unexpected(published.error());
  tell_foreign_keys();
  collect_chunks(out);
  if (auto begun = begin_position(out); !begun) return tl::unexpected(begun.error());
  out.side_files = std::move(side_files_);
  return out;
}

// D: the largest of all base_lsn and of all commit_lsn in valid group headers. Only the newest
// segment can hold a commit_lsn above its own base.
Result<> Recovery::find_proof(const Segment& newest) {
  auto file = io_.files.open(settings_.directory + "/" + newest.name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  for (const Segment& segment : files_.segments) {
    proof_ = std::max(proof_, segment.base_lsn);
  }
  SegmentScanner scanner(**file, crc_, newest.base_lsn, newest.end_lsn, newest.epoch);
  while (true) {
    auto group = scanner.next(false);
    if (!group) return tl::unexpected(group.error());
    if (*group) {
      proof_ = std::max(proof_, (*group)->header.commit_lsn);
      continue;
    }
    auto found = scanner.find_group(scanner.lsn());
    if (!found) return tl::unexpected(found.error());
    if (!*found) return {};
    proof_ = std::max(proof_, (*found)->commit_lsn);
    scanner.move_to((*found)->lsn == scanner.lsn() ? (*found)->lsn + 8 : (*found)->lsn);
  }
}

// From D on there is one commit: its groups lie back to back and say that it begins at D.
bool Recovery::continues_tail(const GroupHeader& header) const {
  const uint64_t expected = tail_.empty() ? proof_ : tail_.back().end_lsn();
  return header.lsn == expected && header.commit_lsn == proof_;
}

// A segment's first commit was durable before the file got its name, so what does not hold in it is
// damage, and all of it is proved. False: that commit is whole, or the file was cut (which is
// told).
Result<bool> Recovery::prove_by_name(SegmentScanner& scanner, const Segment& segment) {
  const bool whole = !tail_.empty() && (tail_.back().flags & kGroupEndsCommit) != 0;
  if (proof_ != segment.base_lsn || whole) return false;
  uint64_t end = scanner.lsn() + 8;
  bool ended = false;
  for (uint64_t from = scanner.lsn(); !ended; from += 8) {
    auto header = scanner.find_group(from);
    if (!header) return tl::unexpected(header.error());
    if (!*header) break;
    ended = ((*header)->flags & kGroupEndsCommit) != 0;
    end = (*header)->end_lsn();
    from = (*header)->lsn;
  }
  if (!ended) {
    auto content = scanner.content_end(scanner.lsn());
    if (!content) return tl::unexpected(content.error());
    end = std::max(end, *content);
  }
  end = round_up(end, kBlockBytes);
  if (end > segment.end_lsn) return false;
  // The name may be in the cache alone, where a killed process left it.
  if (auto synced = io_.files.sync_directory(settings_.directory); !synced) {
    return tl::unexpected(synced.error());
  }
  for (const GroupHeader& header : tail_) keep_key(header);
  tail_.clear();
  proof_ = end;
  return true;
}

Result<> Recovery::read_segment(const Segment& segment, bool newest) {
  auto file = io_.files.open(settings_.directory + "/" + segment.name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  SegmentScanner scanner(**file, crc_, segment.base_lsn, segment.end_lsn, segment.epoch);
  if (!newest) scanner.pass_unreadable();
  while (scanner.lsn() < segment.end_lsn) {
    const bool proved = scanner.lsn() < proof_;
    auto group = scanner.next(!proved);
    if (!group) return tl::unexpected(group.error());
    if (*group && !proved && !continues_tail((*group)->header)) {
      return keep_torn_tail(scanner, segment, (*group)->header.lsn);
    }
    if (*group) {
      const uint64_t base = proved ? segment.base_lsn : proof_;
      if (auto added = add_frames(scanner, segment, (*group)->frames, base); !added) return added;
      if (proved) {
        keep_key((*group)->header);
      } else {
        tail_.push_back((*group)->header);
      }
      ++held_;
      read_end_ = scanner.lsn();
    } else if (newest && !proved) {
      auto named = prove_by_name(scanner, segment);
      if (!named) return tl::unexpected(named.error());
      if (!*named) return keep_torn_tail(scanner, segment, scanner.lsn());
    } else if (auto read = read_gap(scanner, segment); !read) {
      return read;
    }
  }
  if (scanner.unreadable_bytes() > 0) tell_unreadable(segment, scanner.unreadable_bytes());
  return {};
}

std::optional<RequestKey> Recovery::key_of(const GroupHeader& header) const {
  RequestKey key;
  std::copy_n(header.key, key.size(), key.begin());
  if (header.type != GroupType::kAppend || key == RequestKey{}) return std::nullopt;
  return key;
}

void Recovery::keep_key(const GroupHeader& header) {
  if (const std::optional<RequestKey> key = key_of(header)) keep_key(*key);
}

// Keys of another seed name nothing that could come again. If no header of this log tells the seed,
// it is most likely that of all logs of the node.
void Recovery::keep_key(const RequestKey& key) {
  if (settings_.keys == nullptr || !settings_.keys->on()) return;
  if (has_other_seed()) {
    ++foreign_keys_;
    return;
  }
  settings_.keys->found(key, settings_.key_bit, io_.clock.running_ms());
}

bool Recovery::has_other_seed() const {
  return files_.key_seed != kNoKeySeed && files_.key_seed != settings_.key_seed;
}

void Recovery::tell_foreign_keys() {
  if (foreign_keys_ == 0) return;
  cells_.add(Metric::kKeysLost, foreign_keys_);
  log::warn("buffer",
            "the request keys of a buffer are of another node, or of one that has lost its own; "
            "messages that it knew may be stored twice if they are sent again",
            {{"directory", settings_.directory}, {"keys", foreign_keys_}});
}

// Corruption: what is intact in it is kept, the rest is counted.
Result<> Recovery::read_gap(SegmentScanner& scanner, const Segment& segment) {
  const uint64_t from = scanner.lsn();
  auto next = scanner.find_group(from + 8);
  if (!next) return tl::unexpected(next.error());
  uint64_t to = *next ? (*next)->lsn : segment.end_lsn;
  if (from < proof_) to = std::min(to, std::max(proof_, from + 8));
  auto frames = scanner.find_frames(from, to);
  if (!frames) return tl::unexpected(frames.error());
  uint64_t intact = 0;
  for (const ScannedFrame& frame : *frames) {
    intact += frame.header.padded_bytes();
  }
  if (auto added = add_frames(scanner, segment, *frames, segment.base_lsn); !added) return added;
  held_ += frames->size();
  cells_.add(Metric::kCorruptBytes, to - from - std::min(intact, to - from));
  log::error("buffer", "corruption in a segment; intact frames in it were kept",
             {{"directory", settings_.directory},
              {"file", segment.name},
              {"lsn", from},
              {"bytes", to - from},
              {"intact_frames", frames->size()}});
  mark_damaged(segment);
  scanner.move_to(to);
  return {};
}

void Recovery::mark_damaged(const Segment& segment) {
  files_.segments[static_cast<size_t>(&segment - files_.segments.data())].damaged = true;
}

// A chunk has its head, id and key in its OPEN and its SEAL; without both nobody can deliver it.
void Recovery::tell_bad_payload(const Segment& segment, const ScannedFrame& frame) {
  cells_.add(Metric::kCorruptBytes, frame.header.padded_bytes());
  log::error("buffer", "the OPEN or SEAL of a chunk does not hold",
             {{"directory", settings_.directory}, {"file", segment.name}, {"lsn", frame.lsn}});
  mark_damaged(segment);
}

Result<> Recovery::add_frames(SegmentScanner& scanner, const Segment& segment,
                              const std::vector<ScannedFrame>& frames, uint64_t base_lsn) {
  for (const ScannedFrame& frame : frames) {
    std::optional<std::string> payload;
    const bool finished = files_.position.finished.contains(frame.header.chunk_seq);
    if (frame.header.kind != FrameKind::kData &&
        (!finished || frame.header.kind == FrameKind::kOpen)) {
      auto read = scanner.payload(frame);
      if (!read) return tl::unexpected(read.error());
      payload = std::move(*read);
      if (!payload) tell_bad_payload(segment, frame);
    }
    table_.add(frame, payload, base_lsn);
  }
  return {};
}

// The log ends here: what follows was never acked. Zeros are what was reserved and not written; the
// remains of a commit are counted, and kept aside if they look like one.
Result<> Recovery::keep_torn_tail(SegmentScanner& scanner, const Segment& segment, uint64_t from) {
  auto last = scanner.content_end(from);
  if (!last) return tl::unexpected(last.error());
  if (*last == from) return {};
  cells_.add(Metric::kTornBytes, *last - from);
  auto header = scanner.find_group(from);
  if (!header) return tl::unexpected(header.error());
  if (!*header) {
    log::info("buffer", "the end of an unfinished commit was left out",
              {{"directory", settings_.directory}, {"lsn", from}, {"bytes", *last - from}});
    return {};
  }
  log::warn("buffer", "an unfinished commit was left out and kept in corrupt/",
            {{"directory", settings_.directory}, {"lsn", from}, {"bytes", *last - from}});
  const auto kept = may_set_aside(io_.files, settings_.directory)
                        ? copy_aside(segment, from, *last)
                        : fail(ErrorKind::kNoSpace, "the disk is nearly full");
  if (!kept) {
    log::warn("buffer", "what was left out cannot be kept in corrupt/",
              {{"directory", settings_.directory}, {"error", kept.error().message}});
  }
  return {};
}

Result<> Recovery::copy_aside(const Segment& segment, uint64_t from, uint64_t to) {
  auto file = io_.files.open(settings_.directory + "/" + segment.name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  std::string bytes(to - from, '\0');
  auto got =
      (*file)->pread(bytes.data(), bytes.size(), kSegmentHeaderBytes + (from - segment.base_lsn));
  if (!got) return tl::unexpected(got.error());
  const std::string aside = settings_.directory + "/corrupt";
  if (auto made = io_.files.make_directories(aside); !made) return made;
  const std::string path = aside + "/" + segment.name + "." + std::to_string(from) + ".tail";
  auto copy = io_.files.open(path, io::OpenMode::kCreate);
  if (!copy) {
    return copy.error().kind == ErrorKind::kExists ? Result<>() : tl::unexpected(copy.error());
  }
  auto written = (*copy)->pwrite(bytes, 0);
  if (!written) (void)io_.files.unlink(path);  // its blocks may be the disk's last
  return written;
}

void Recovery::drop_finished() {
  auto& chunks = table_.chunks();
  for (auto chunk = chunks.begin(); chunk != chunks.end();) {
    const auto line = files_.position.finished.find(chunk->first);
    const bool finished = line != files_.position.finished.end() &&
                          (!chunk->second.open || chunk->second.open->id == line->second.id);
    if (!finished) {
      ++chunk;
      continue;
    }
    kept_.push_back(KeptLine{line->second, chunk->second.shares()});
    chunk = chunks.erase(chunk);
  }
}

}  // namespace millrace::buffer
