// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "buffer/removed_ranges.h"

namespace millrace::buffer {
namespace {

constexpr int kRoundsMax = 10;  // of looking again because segments were removed meanwhile
constexpr int kConfirmations = 2;
constexpr const char* kHeld = "what it held of chunks that were not delivered";
constexpr const char* kRepeat = "a chunk that was delivered may be sent once more";

bool has(const LogFiles& files, const Segment& segment) {
  return std::any_of(files.segments.begin(), files.segments.end(),
                     [&](const Segment& other) { return other.name == segment.name; });
}

Damage of_missing(uint64_t from, uint64_t to) {
  Damage damage;
  damage.lsn = from;
  damage.bytes = to - from;
  damage.what = "a segment is missing";
  damage.costs = {kHeld};
  return damage;
}

void add_missing(const LogFiles& files, std::vector<Damage>& faults) {
  const PositionFacts& position = files.position;
  if (files.segments.empty()) {
    if (!position.header) return;
    faults.push_back(whole_file("", "the log has a position file and no segment", {kHeld}));
    return;
  }
  uint64_t expected =
      position.header ? position.header->first_lsn : files.segments.front().base_lsn;
  for (const Segment& segment : files.segments) {
    if (expected < segment.base_lsn) expected = removed_up_to(position.removed, expected);
    if (expected < segment.base_lsn) {
      faults.push_back(of_missing(expected, segment.base_lsn));
    }
    expected = std::max(expected, segment.end_lsn);
  }
}

// The newest segment is never removed, never cut, and begins at or above all that was removed.
void add_newest(const LogFiles& files, std::vector<Damage>& faults) {
  if (files.segments.empty()) return;
  const PositionFacts& position = files.position;
  const Segment& newest = files.segments.back();
  const uint64_t removed_end =
      removed_end_of(position.removed, position.header ? position.header->first_lsn : 0);
  if (newest.epoch < position.highest_epoch || newest.base_lsn < removed_end) {
    faults.push_back(newest_missing(newest));
    return;
  }
  const auto capacity = files.capacities.find(newest.name);
  if (capacity != files.capacities.end() && newest.file_bytes < capacity->second) {
    faults.push_back(
        whole_file(newest.name,
                   "the newest segment is shorter than it was made: it was cut, or later "
                   "ones are missing",
                   {"what was stored behind its end"}));
  }
}

void add_position(const LogFiles& files, std::vector<Damage>& faults) {
  const PositionFacts& position = files.position;
  const char* const name = "chunks.pos";
  if (!position.foreign.empty()) {
    faults.push_back(whole_file(position.foreign[0], "a position file of another log", {kRepeat}));
  } else if (position.lost && !files.segments.empty()) {
    faults.push_back(whole_file(name, "the position file is missing or empty", {kRepeat}));
  } else if (position.cut) {
    faults.push_back(whole_file(name, "the position file was cut short", {kRepeat}));
  }
  if (std::count(position.bad_headers.begin(), position.bad_headers.end(), name) > 0) {
    faults.push_back(whole_file(name, "the header of the position file does not hold"));
  }
  for (const uint64_t at : position.invalid_at) {
    faults.push_back(whole_file(
        name, fmt::format("the line at offset {} of the position file does not hold", at),
        {kRepeat}));
  }
}

// What is wrong with the files as a whole.
std::vector<Damage> file_faults(const LogFiles& files) {
  std::vector<Damage> faults;
  for (const StraySegment& stray : files.strays) {
    const bool other = stray.kind == StraySegment::Kind::kOtherLog;
    faults.push_back(whole_file(
        stray.name, other ? "a segment of another log" : "a segment that does not fit the others"));
  }
  for (const Segment& segment : files.segments) {
    if (!segment.damaged) continue;
    faults.push_back(whole_file(segment.name, "the header of a segment does not hold"));
    if (segment.file_bytes <= kSegmentHeaderBytes) faults.back().costs = {kHeld};
  }
  add_missing(files, faults);
  add_newest(files, faults);
  add_position(files, faults);
  return faults;
}

bool is_same(const Damage& a, const Damage& b) {
  return a.file == b.file && a.lsn == b.lsn && a.what == b.what;
}

}  // namespace

Damage whole_file(std::string file, std::string what, std::vector<std::string> costs) {
  Damage damage;
  damage.file = std::move(file);
  damage.what = std::move(what);
  damage.costs = std::move(costs);
  return damage;
}

Damage newest_missing(const Segment& newest_there) {
  return whole_file("", "the newest segment is missing",
                    {fmt::format("what was stored after {} was written", newest_there.name)});
}

const char* name_of(ChunkState state) {
  switch (state) {
    case ChunkState::kStaged:
      return "staged";
    case ChunkState::kQueued:
      return "queued";
    case ChunkState::kDeadLetter:
      return "dead";
    case ChunkState::kFinished:
      return "finished";
    case ChunkState::kDamaged:
      break;
  }
  return "damaged";
}

uint64_t ViewedChunk::body_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [frame_no, frame] : found.frames) bytes += frame.payload_bytes;
  return found.sealed ? found.body_bytes : bytes;
}

uint64_t ViewedChunk::records() const {
  uint64_t records = 0;
  for (const auto& [frame_no, frame] : found.frames) records += frame.records;
  return found.sealed ? found.records : records;
}

LogView::LogView(io::FileSystem& files, std::string directory, bool check_payloads)
    : files_(files), directory_(std::move(directory)), check_payloads_(check_payloads) {}

Result<std::unique_ptr<LogView>> LogView::take(io::FileSystem& files, std::string directory,
                                               bool check_payloads) {
  std::unique_ptr<LogView> view(new LogView(files, std::move(directory), check_payloads));
  if (auto looked = view->look_and_scan(); !looked) return tl::unexpected(looked.error());
  if (auto confirmed = view->confirm_faults(); !confirmed) {
    return tl::unexpected(confirmed.error());
  }
  view->recall_lost();
  view->make_chunks();
  return view;
}

// True if nothing that was looked at has gone or is being written. `torn`: what was unfinished
// before; what stays so is not under way.
bool LogView::is_settled(const LogFiles& found, const LogFiles& after, std::string& torn) const {
  if (!std::all_of(found.segments.begin(), found.segments.end(),
                   [&](const Segment& segment) { return has(after, segment); })) {
    return false;
  }
  if (found.segments.empty()) return true;
  const auto newest = scanned_.find(found.segments.back().name);
  if (newest == scanned_.end() || newest->second.viewed.torn_bytes == 0) return true;
  const ViewedSegment& viewed = newest->second.viewed;
  std::string now = fmt::format("{} {}", newest->first, viewed.read_to);
  if (now == torn) return true;
  torn = std::move(now);
  return false;
}

// Lines are read after the frames, so that a chunk that was finished meanwhile is known to be. If a
// segment went meanwhile, what its chunks were moved to may not have been seen: once more.
Result<> LogView::look_and_scan() {
  auto found = look(files_, directory_);
  std::string torn;
  for (int round = 1; found; ++round) {
    crc_ = LogCrc::of(found->uuid);
    for (const Segment& segment : found->segments) {
      const bool newest = &segment == &found->segments.back();
      if (auto read = scan(segment, newest); !read) return read;
    }
    auto after = look(files_, directory_);
    if (!after) return tl::unexpected(after.error());
    if (is_settled(*found, *after, torn) || round == kRoundsMax) {
      found_ = std::move(*after);
      return {};
    }
    found = std::move(after);
  }
  return tl::unexpected(found.error());
}

// A directory cannot be read in one moment: what is wrong with it must be so in several looks.
Result<> LogView::confirm_faults() {
  damages_ = file_faults(found_);
  for (int i = 0; i < kConfirmations && !damages_.empty(); ++i) {
    auto again = look(files_, directory_);
    if (!again) return tl::unexpected(again.error());
    const std::vector<Damage> now = file_faults(*again);
    std::erase_if(damages_, [&](const Damage& damage) {
      return std::none_of(now.begin(), now.end(),
                          [&](const Damage& other) { return is_same(damage, other); });
    });
  }
  for (const Segment& segment : found_.segments) {
    set_.add(segment);
    const auto scanned = scanned_.find(segment.name);
    if (scanned == scanned_.end()) {
      viewed_.push_back(ViewedSegment{.segment = segment, .read_to = segment.base_lsn});
      continue;
    }
    const std::vector<Damage>& bad = scanned->second.damages;
    damages_.insert(damages_.end(), bad.begin(), bad.end());
    viewed_.push_back(scanned->second.viewed);
    viewed_.back().segment = segment;
  }
  return {};
}

// A chunk none of whose frames is in a segment any more, and that has no line either: its segments
// went after they were read, so it was finished.
bool LogView::is_there(const ViewedChunk& chunk) const {
  if (chunk.found.sealed) return set_.find(chunk.found.seal_lsn).has_value();
  const std::vector<Share> shares = chunk.found.shares();
  return std::any_of(shares.begin(), shares.end(),
                     [this](const Share& share) { return set_.find(share.lsn).has_value(); });
}

ChunkState LogView::state_of(const ViewedChunk& chunk) const {
  const FoundChunk& found = chunk.found;
  if (chunk.finished) return ChunkState::kFinished;
  const bool holes = !found.sealed &&
                     (found.frames.empty() || found.frames.rbegin()->first != found.frames.size());
  const bool lost = !found.open || (!found.sealed && found.lost_seal_lsn != kNoLsn);
  if (lost || holes || (found.sealed && is_damaged(found))) return ChunkState::kDamaged;
  if (!found.sealed) return ChunkState::kStaged;
  return found.open->kind == ChunkKind::kDeadLetter ? ChunkState::kDeadLetter : ChunkState::kQueued;
}

void LogView::make_chunks() {
  for (auto& [seq, found] : table_.chunks()) {
    ViewedChunk chunk;
    chunk.seq = seq;
    chunk.found = std::move(found);
    const auto fits = [&](const PositionLine& line) {
      return !chunk.found.open || chunk.found.open->id == line.id;
    };
    const auto opened = open_lsns_.find(seq);
    if (opened != open_lsns_.end()) chunk.open_lsn = opened->second;
    const auto line = found_.position.finished.find(seq);
    if (line != found_.position.finished.end() && fits(line->second)) {
      chunk.finished = line->second;
    }
    const auto tried = found_.position.attempts.find(seq);
    if (tried != found_.position.attempts.end() && fits(tried->second)) chunk.tried = tried->second;
    chunk.state = state_of(chunk);
    if (is_there(chunk)) chunks_.emplace(seq, std::move(chunk));
  }
  table_ = ChunkTable();
}

// Asked only when its frames cannot be read any more.
bool LogView::was_finished(const ViewedChunk& chunk) const {
  const auto now = look(files_, directory_);
  if (!now) return false;
  if (now->position.finished.contains(chunk.seq)) return true;
  const std::vector<Share> shares = chunk.found.shares();
  return std::any_of(shares.begin(), shares.end(), [&](const Share& share) {
    if (share.frame_bytes == 0) return false;  // copies that a move left behind
    const auto was = set_.find(share.lsn);
    return was && !has(*now, *was);
  });
}

Result<> LogView::load_staged(ChunkReader& reader, const ViewedChunk& chunk,
                              LoadedChunk& out) const {
  if (!chunk.found.open) {
    return fail(ErrorKind::kCorrupt, "neither the OPEN nor the SEAL of the chunk can be read");
  }
  const auto staged = to_staged(chunk.seq, chunk.found, crc_);
  if (!staged) return fail(ErrorKind::kCorrupt, "no DATA frame of the chunk can be read");
  out.bytes.clear();
  out.seal = SealPayload{};
  out.seal.body_bytes = staged->body_bytes;
  out.seal.records = staged->records;
  out.seal.chunk_crc = staged->chunk_crc;
  out.seal.open = *chunk.found.open;
  out.seal.frame_lsns = staged->frame_lsns;
  return reader.read_listed(QueuedChunk{.seq = chunk.seq, .id = staged->id}, out);
}

Result<> LogView::load(const ViewedChunk& chunk, LoadedChunk& out) const {
  if (chunk.body_bytes() > kLoadedBytesMax) {
    return fail(ErrorKind::kInvalid,
                fmt::format("the chunk has {} bytes; more than {} are not read at once",
                            chunk.body_bytes(), kLoadedBytesMax));
  }
  ChunkReader reader(files_, directory_, set_, crc_);
  auto read = chunk.found.sealed ? reader.read(to_queued(chunk.seq, chunk.found), out)
                                 : load_staged(reader, chunk, out);
  if (read && !out.damaged) return read;
  if (chunk.finished) {
    return fail(ErrorKind::kNotFound,
                "the chunk is finished, and not all of its frames are there any more");
  }
  if (was_finished(chunk)) {
    return fail(ErrorKind::kNotFound,
                "the chunk was finished or moved while it was read; look again");
  }
  return read;
}

}  // namespace millrace::buffer
