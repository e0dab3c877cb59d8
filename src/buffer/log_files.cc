// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_files.h"

#include <algorithm>

#include "base/log.h"
#include "buffer/removed_ranges.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {
namespace {

constexpr size_t kInvalidSlotsTold = 1000;
constexpr uint64_t kDiskMinFreeBytes = 1ULL << 30;
constexpr const char* kPositionNames[] = {"chunks.pos", "chunks.pos.next"};
constexpr char kZeros[kPositionLineBytes] = {};
constexpr std::string_view kFreeSlot(kZeros, kPositionLineBytes);

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
  // One that the disk does not give is no better than one that does not hold.
  bytes.resize((*file)->pread(bytes.data(), bytes.size(), 0).value_or(0));
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
void read_lines(std::string_view text, const LogCrc& crc, PositionFacts& facts, bool current) {
  for (size_t at = kPositionHeaderBytes; at + kPositionLineBytes <= text.size();
       at += kPositionLineBytes) {
    const std::string_view slot = text.substr(at, kPositionLineBytes);
    if (slot == kFreeSlot) continue;
    PositionLine line;
    if (decode(slot, crc, line)) {
      add_fact(facts, line);
    } else {
      ++facts.invalid_slots;
      if (current && facts.invalid_at.size() < kInvalidSlotsTold) facts.invalid_at.push_back(at);
    }
  }
}

struct PositionText {
  std::string name;
  std::string text;
  std::optional<PositionHeader> header;  // if it is good
};

bool is_blank(const std::string& text) { return text.find_first_not_of('\0') == std::string::npos; }

// A file is made with a step reserved. It grows by steps, or by lines where none can be reserved.
bool is_cut(uint64_t bytes) {
  return bytes < kPositionStepBytes || (bytes % kPositionStepBytes != 0 &&
                                        (bytes - kPositionHeaderBytes) % kPositionLineBytes != 0);
}

Result<std::vector<PositionText>> read_position_files(io::FileSystem& files,
                                                      const std::string& directory) {
  std::vector<PositionText> found;
  for (const char* name : kPositionNames) {
    const std::string path = directory + "/" + name;
    auto text = io::read_whole(files, path, kPositionFileBytesMax);
    if (!text && text.error().kind == ErrorKind::kNotFound) continue;
    if (!text) return tl::unexpected(text.error());
    PositionHeader header;
    const bool good = decode(*text, header);
    found.push_back(PositionText{name, std::move(*text),
                                 good ? std::optional(std::move(header)) : std::nullopt});
  }
  return found;
}

// That of the position file, unless every segment is of another log: then the position file is.
std::string uuid_of(const std::vector<PositionText>& texts,
                    const std::vector<FoundSegment>& segments) {
  std::string first;
  for (const PositionText& text : texts) {
    if (!text.header) continue;
    const bool agrees =
        segments.empty() || std::any_of(segments.begin(), segments.end(), [&](const auto& found) {
          return found.state != HeaderState::kValid || found.header.uuid == text.header->uuid;
        });
    if (agrees) return text.header->uuid;
    if (first.empty()) first = text.header->uuid;
  }
  const std::string most = majority_uuid(segments);
  return most.empty() ? first : most;
}

void read_position(const std::vector<PositionText>& texts, const std::string& uuid,
                   PositionFacts& facts) {
  facts.lost = true;
  const LogCrc crc = LogCrc::of(uuid);
  for (const PositionText& text : texts) {
    const bool current = text.name == kPositionNames[0];
    if (text.header && text.header->uuid != uuid) {
      facts.foreign.push_back(text.name);
      facts.lost = facts.lost && !current;
      continue;
    }
    if (text.header) {
      facts.highest_epoch =
          std::max({facts.highest_epoch, text.header->highest_epoch,
                    static_cast<uint32_t>(text.header->highest_chunk_seq >> kEpochShift)});
      if (!facts.header) facts.header = text.header;
    } else if (!is_blank(text.text)) {
      facts.bad_headers.push_back(text.name);
    }
    if (current) {
      facts.lost = is_blank(text.text);
      facts.cut = is_cut(text.text.size());
    }
    read_lines(text.text, crc, facts, current);
  }
}

// The segments of this log, by its uuid; those of another are strays.
void keep_own(std::vector<FoundSegment> segments, LogFiles& found) {
  for (FoundSegment& segment : segments) {
    if (segment.state == HeaderState::kValid && segment.header.uuid != found.uuid) {
      found.strays.push_back(StraySegment{.name = segment.segment.name,
                                          .file_bytes = segment.segment.file_bytes,
                                          .kind = StraySegment::Kind::kOtherLog});
      continue;
    }
    if (segment.state == HeaderState::kValid) {
      if (segment.header.key_seed != kNoKeySeed) found.key_seed = segment.header.key_seed;
      found.worker_id = segment.header.worker_id;
      found.output_id = segment.header.output_id;
      found.capacities[segment.segment.name] = segment.header.capacity;
    } else {
      segment.segment.damaged = true;
    }
    found.segments.push_back(std::move(segment.segment));
  }
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

// A process that ended while it removed a segment may have left any part of it. All that was in it
// is finished, so nothing in it is read, or worth to be kept. One that is whole is read as ever: it
// may have damage to keep.
void empty_half_removed(LogFiles& found) {
  for (size_t i = 0; i + 1 < found.segments.size(); ++i) {
    Segment& segment = found.segments[i];
    const uint64_t limit = found.segments[i + 1].base_lsn;
    for (const PositionLine& line : found.position.removed) {
      if (!tells_removal(line, segment) ||
          segment.end_lsn >= std::min(line.removed_end_lsn(), limit)) {
        continue;
      }
      segment.end_lsn = segment.base_lsn;
      segment.damaged = false;
    }
  }
}

void tell_bad_headers(const std::string& directory, const LogFiles& found, metrics::Cells& cells) {
  for (const Segment& segment : found.segments) {
    if (!segment.damaged) continue;
    log::error(
        "buffer", "a segment has a bad header; its groups are read all the same",
        {{"directory", directory}, {"file", segment.name}, {"file_bytes", segment.file_bytes}});
    cells.add(metrics::Metric::kCorruptBytes, kSegmentHeaderBytes);
  }
  for (const std::string& name : found.position.bad_headers) {
    log::warn("buffer", "the position file has a bad header; its lines are used all the same",
              {{"path", directory + "/" + name}});
  }
  for (const std::string& name : found.position.foreign) {
    log::error("buffer", "the position file is that of another log; its lines are not used",
               {{"path", directory + "/" + name}});
  }
}

Result<std::vector<FoundSegment>> read_headers(io::FileSystem& files, const std::string& directory,
                                               LogFiles& found) {
  auto entries = files.list(directory);
  if (!entries) return tl::unexpected(entries.error());
  std::vector<FoundSegment> segments;
  for (const io::DirectoryEntry& entry : *entries) {
    Segment named;
    if (entry.directory) continue;
    if (is_spare_name(entry.name)) {
      found.spares.push_back(entry);
    } else if (parse_segment_name(entry.name, named.epoch, named.base_lsn)) {
      auto segment = read_header(files, directory, entry);
      // Whoever holds the log may have removed it meanwhile.
      if (!segment && segment.error().kind == ErrorKind::kNotFound) continue;
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
  return segments;
}

}  // namespace

bool may_set_aside(io::FileSystem& files, const std::string& directory) {
  const auto free = files.free_bytes(directory);
  return free && *free >= kDiskMinFreeBytes;
}

Result<LogFiles> look(io::FileSystem& files, const std::string& directory) {
  LogFiles found;
  auto segments = read_headers(files, directory, found);
  if (!segments) return tl::unexpected(segments.error());
  auto position = read_position_files(files, directory);
  if (!position) return tl::unexpected(position.error());
  found.uuid = uuid_of(*position, *segments);
  keep_own(std::move(*segments), found);
  put_in_order(found.segments, found.strays);
  set_ends(found.segments);
  read_position(*position, found.uuid, found.position);
  empty_half_removed(found);
  found.highest_epoch = std::max(found.highest_epoch, found.position.highest_epoch);
  return found;
}

Result<LogFiles> survey(io::FileSystem& files, const std::string& directory,
                        metrics::Cells& cells) {
  auto found = look(files, directory);
  if (!found) return found;
  for (const io::DirectoryEntry& spare : found->spares) {
    if (auto gone = files.unlink(directory + "/" + spare.name); !gone) {
      return tl::unexpected(gone.error());
    }
  }
  tell_bad_headers(directory, *found, cells);
  if (auto moved = move_strays(files, directory, found->strays, cells); !moved) {
    return tl::unexpected(moved.error());
  }
  return found;
}

}  // namespace millrace::buffer
