// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_files.h"

#include <algorithm>

#include "base/log.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kPositionFileBytesMax = 1ULL << 30;
constexpr const char* kPositionNames[] = {"chunks.pos", "chunks.pos.next"};

struct FoundSegment {
  Segment segment;
  SegmentHeader header;
  HeaderState state = HeaderState::kInvalid;
};

Result<FoundSegment> read_header(io::FileSystem& files, const std::string& directory,
                                 const io::DirectoryEntry& entry) {
  FoundSegment found;
  found.segment.name = entry.name;
  found.segment.file_bytes = entry.size;
  parse_segment_name(entry.name, found.segment.epoch, found.segment.base_lsn);
  auto file = files.open(directory + "/" + entry.name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  std::string bytes(kSegmentHeaderBytes, '\0');
  auto got = (*file)->pread(bytes.data(), bytes.size(), 0);
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  found.state = decode(bytes, found.header);
  if (found.state == HeaderState::kValid) {
    found.segment.epoch = found.header.epoch;
    found.segment.base_lsn = found.header.base_lsn;
  }
  return found;
}

// The uuid that most valid headers name.
std::string majority_uuid(const std::vector<FoundSegment>& segments) {
  std::map<std::string, size_t> votes;
  for (const FoundSegment& found : segments) {
    if (found.state == HeaderState::kValid) ++votes[found.header.uuid];
  }
  const auto best = std::max_element(
      votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == votes.end() ? std::string() : best->first;
}

void add_fact(PositionFacts& facts, const PositionLine& line) {
  if (line.kind == 'G') {
    facts.removed.push_back(line);
    facts.highest_epoch =
        std::max(facts.highest_epoch, static_cast<uint32_t>(line.removed_epoch()));
    return;
  }
  facts.highest_epoch =
      std::max(facts.highest_epoch, static_cast<uint32_t>(line.chunk_seq >> kEpochShift));
  if (line.kind != 'R') {
    facts.finished[line.chunk_seq] = line;
  } else if (PositionLine& best = facts.attempts[line.chunk_seq];
             best.kind == 0 || best.attempts < line.attempts) {
    best = line;
  }
}

// Every valid line counts, wherever it stands; slots of zeros are free.
void read_lines(std::string_view text, const LogCrc& crc, PositionFacts& facts) {
  for (size_t at = kPositionHeaderBytes; at + kPositionLineBytes <= text.size();
       at += kPositionLineBytes) {
    const std::string_view slot = text.substr(at, kPositionLineBytes);
    if (slot.find_first_not_of('\0') == std::string_view::npos) continue;
    PositionLine line;
    if (decode(slot, crc, line)) {
      add_fact(facts, line);
    } else {
      ++facts.invalid_slots;
    }
  }
}

struct PositionTexts {
  std::vector<std::string> texts;
  std::optional<PositionHeader> header;  // the first good one
  uint32_t highest_epoch = 0;
  bool lost = true;
  bool cut = false;
};

bool is_blank(const std::string& text) { return text.find_first_not_of('\0') == std::string::npos; }

// A file is made with a step reserved. It grows by steps, or by lines where none can be reserved.
bool is_cut(uint64_t bytes) {
  return bytes < kPositionStepBytes || (bytes % kPositionStepBytes != 0 &&
                                        (bytes - kPositionHeaderBytes) % kPositionLineBytes != 0);
}

Result<PositionTexts> read_position_files(io::FileSystem& files, const std::string& directory) {
  PositionTexts found;
  for (const char* name : kPositionNames) {
    const std::string path = directory + "/" + name;
    auto there = files.exists(path);
    if (!there) return tl::unexpected(there.error());
    if (!*there) continue;
    auto text = io::read_whole(files, path, kPositionFileBytesMax);
    if (!text) return tl::unexpected(text.error());
    PositionHeader header;
    if (decode(*text, header)) {
      if (!found.header) found.header = header;
      found.highest_epoch =
          std::max({found.highest_epoch, header.highest_epoch,
                    static_cast<uint32_t>(header.highest_chunk_seq >> kEpochShift)});
    } else if (!is_blank(*text)) {
      log::warn("buffer", "the position file has a bad header; its lines are used all the same",
                {{"path", path}});
    }
    if (name == kPositionNames[0]) {
      found.lost = is_blank(*text);
      found.cut = is_cut(text->size());
    }
    found.texts.push_back(std::move(*text));
  }
  return found;
}

Result<> move_aside(io::FileSystem& files, const std::string& directory, const std::string& name) {
  const std::string aside = directory + "/corrupt";
  if (auto made = files.make_directories(aside); !made) return made;
  if (auto moved = files.rename(directory + "/" + name, aside + "/" + name); !moved) return moved;
  return files.sync_directory(directory);
}

// Of two files that cannot both be segments of this log: true if `b` is the one that is not. A good
// header tells more than a name, and a name that agrees with it more than one that does not.
bool second_is_wrong(const Segment& a, const Segment& b) {
  if (a.damaged != b.damaged) return b.damaged;
  return b.name != segment_name(b.epoch, b.base_lsn);
}

// Sorts by identity. A place is taken once and base_lsn never decreases; a file that breaks this (a
// copy, a name that is not its own) is moved to corrupt/.
Result<> put_in_order(io::FileSystem& files, const std::string& directory,
                      std::vector<Segment>& segments, metrics::Cells& cells) {
  std::sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) {
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.base_lsn < b.base_lsn;
  });
  for (size_t i = 1; i < segments.size();) {
    const Segment& before = segments[i - 1];
    const bool same = before.epoch == segments[i].epoch && before.base_lsn == segments[i].base_lsn;
    if (!same && before.base_lsn <= segments[i].base_lsn) {
      ++i;
      continue;
    }
    const size_t wrong = second_is_wrong(before, segments[i]) ? i : i - 1;
    log::error("buffer", "a segment that does not fit the others was moved to corrupt/",
               {{"directory", directory}, {"file", segments[wrong].name}});
    if (!same) cells.add(metrics::Metric::kCorruptBytes, segments[wrong].file_bytes);
    auto moved = move_aside(files, directory, segments[wrong].name);
    if (!moved) return moved;
    segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(wrong));
    i = std::max<size_t>(1, i - 1);
  }
  return {};
}

// The segments of this log, by its uuid; those of another are moved to corrupt/.
Result<> keep_own(io::FileSystem& files, const std::string& directory,
                  std::vector<FoundSegment> segments, LogFiles& found, metrics::Cells& cells) {
  for (FoundSegment& segment : segments) {
    if (segment.state == HeaderState::kValid && segment.header.uuid != found.uuid) {
      log::error("buffer", "a segment of another log was moved to corrupt/",
                 {{"directory", directory}, {"file", segment.segment.name}});
      if (auto moved = move_aside(files, directory, segment.segment.name); !moved) {
        return moved;
      }
      continue;
    }
    if (segment.state == HeaderState::kValid) {
      found.key_seed = segment.header.key_seed;
      found.capacities[segment.segment.name] = segment.header.capacity;
    } else {
      log::error("buffer", "a segment has a bad header; its groups are read all the same",
                 {{"directory", directory},
                  {"file", segment.segment.name},
                  {"file_bytes", segment.segment.file_bytes}});
      cells.add(metrics::Metric::kCorruptBytes, kSegmentHeaderBytes);
      segment.segment.damaged = true;
    }
    found.segments.push_back(std::move(segment.segment));
  }
  return {};
}

// Where each segment ends: with its file, or where a later one begins.
void set_ends(std::vector<Segment>& segments) {
  uint64_t limit = UINT64_MAX;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    const uint64_t body = segment->file_bytes - std::min(segment->file_bytes, kSegmentHeaderBytes);
    segment->end_lsn = std::min(limit, segment->base_lsn + body);
    segment->end_lsn = std::max(segment->end_lsn, segment->base_lsn);
    limit = std::min(limit, segment->base_lsn);
  }
}

}  // namespace

Result<LogFiles> survey(io::FileSystem& files, const std::string& directory,
                        metrics::Cells& cells) {
  auto entries = files.list(directory);
  if (!entries) return tl::unexpected(entries.error());
  std::vector<FoundSegment> segments;
  LogFiles found;
  for (const io::DirectoryEntry& entry : *entries) {
    Segment named;
    if (entry.directory) continue;
    if (is_spare_name(entry.name)) {
      if (auto gone = files.unlink(directory + "/" + entry.name); !gone) {
        return tl::unexpected(gone.error());
      }
    } else if (parse_segment_name(entry.name, named.epoch, named.base_lsn)) {
      auto segment = read_header(files, directory, entry);
      if (!segment) return tl::unexpected(segment.error());
      if (segment->state == HeaderState::kNewerVersion) {
        return fail(ErrorKind::kInvalid, directory + "/" + entry.name +
                                             ": written by a newer version of millrace; "
                                             "install that version to read it");
      }
      found.highest_epoch = std::max(found.highest_epoch, named.epoch);
      found.highest_epoch = std::max(found.highest_epoch, segment->segment.epoch);
      segments.push_back(std::move(*segment));
    }
  }
  auto position = read_position_files(files, directory);
  if (!position) return tl::unexpected(position.error());
  found.uuid = position->header ? position->header->uuid : majority_uuid(segments);
  if (auto kept = keep_own(files, directory, std::move(segments), found, cells); !kept) {
    return tl::unexpected(kept.error());
  }
  if (auto ordered = put_in_order(files, directory, found.segments, cells); !ordered) {
    return tl::unexpected(ordered.error());
  }
  set_ends(found.segments);
  const LogCrc crc = LogCrc::of(found.uuid);
  for (const std::string& text : position->texts) {
    read_lines(text, crc, found.position);
  }
  found.position.highest_epoch = std::max(found.position.highest_epoch, position->highest_epoch);
  found.position.header = std::move(position->header);
  found.position.lost = position->lost;
  found.position.cut = position->cut;
  found.highest_epoch = std::max(found.highest_epoch, found.position.highest_epoch);
  return found;
}

}  // namespace millrace::buffer
