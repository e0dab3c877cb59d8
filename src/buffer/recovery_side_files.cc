// SPDX-License-Identifier: Apache-2.0
// What a recovery learns from the side files: the request keys of segments that are gone, and what
// the segments that were left hold, so that a long backlog is not read through at a start.

#include <algorithm>
#include <map>

#include "base/log.h"
#include "buffer/recovery.h"

namespace millrace::buffer {
namespace {

uint64_t last_frame(const SideFile::Chunk& chunk) {
  return chunk.seal_lsn == kNoLsn ? chunk.open_lsn : chunk.seal_lsn;
}

// True if `frame` is the OPEN or SEAL of `chunk`. `lsns`: of the DATA frames that a SEAL lists.
bool tells_of(const ReadFrame& frame, const SideFile::Chunk& chunk, std::vector<uint64_t>& lsns) {
  const FrameHeader& header = frame.scanned.header;
  if (header.chunk_seq != chunk.seq) return false;
  OpenPayload open;
  SealPayload seal;
  if (chunk.seal_lsn == kNoLsn) {
    return header.kind == FrameKind::kOpen && decode(frame.payload, open) && open.id == chunk.id;
  }
  if (header.kind != FrameKind::kSeal || !decode(frame.payload, seal)) return false;
  lsns = std::move(seal.frame_lsns);
  return seal.open.id == chunk.id;
}

// Reads what the side file does not tell of a chunk. False: it is not where the side file says. A
// chunk that was opened in another segment may be there in several copies: then each DATA frame
// that counts is looked at.
Result<bool> take_frames(SegmentScanner& scanner, const SideFile::Chunk& chunk,
                         TakenFrames& taken) {
  if (last_frame(chunk) == kNoLsn) return true;
  auto last = scanner.read_frame(last_frame(chunk));
  if (!last) return tl::unexpected(last.error());
  std::vector<uint64_t> lsns;
  if (!*last || !tells_of(**last, chunk, lsns)) return false;
  taken.last = std::move(*last);
  if (is_whole(chunk)) return true;
  for (size_t i = 0; i < lsns.size(); ++i) {
    if (!scanner.covers(lsns[i])) continue;
    auto frame = scanner.frame_at(lsns[i]);
    if (!frame) return tl::unexpected(frame.error());
    if (!*frame || (*frame)->header.kind != FrameKind::kData ||
        (*frame)->header.chunk_seq != chunk.seq || (*frame)->header.frame_no != i + 1) {
      return false;
    }
    taken.data.push_back(**frame);
  }
  return true;
}

}  // namespace

Result<> Recovery::read_side_files() {
  auto entries = io_.files.list(settings_.directory);
  if (!entries) return tl::unexpected(entries.error());
  std::vector<std::string> names;
  for (const io::DirectoryEntry& entry : *entries) {
    if (is_unfinished_side_file_name(entry.name)) {
      auto gone = io_.files.unlink(settings_.directory + "/" + entry.name);
      if (!gone) return gone;
    } else if (is_side_file_name(entry.name)) {
      names.push_back(entry.name);
    }
  }
  std::sort(names.begin(), names.end());  // by epoch and base_lsn, so in lsn order
  for (const std::string& name : names) {
    if (auto read = note_side_file(name); !read) return read;
  }
  return {};
}

// What a finished chunk holds is not needed. One with another id under its seq is not finished.
bool Recovery::is_unfinished(const SideFile::Chunk& chunk) const {
  const auto line = files_.position.finished.find(chunk.seq);
  return line == files_.position.finished.end() ||
         (chunk.id != ChunkId() && chunk.id != line->second.id);
}

// True if the side file of a segment that was left tells all of it. Then only the SEALs in it are
// read, or the OPENs of chunks that were not sealed there; payloads are checked at delivery.
// False: it has none, or one that does not fit, or something it names is not there, or cannot be
// read: scan it. So
// too if it holds copies of a chunk whose older SEAL was met: copies may have come in slices, each
// with a SEAL that tells what it freed elsewhere, and the side file has the last of them only.
bool Recovery::take_side_file(const Segment& segment) {
  if (segment.damaged) return false;
  const auto side = read_side_file(io_.files, settings_.directory, segment, files_.uuid);
  if (!side || side->damaged || side->end_lsn != segment.end_lsn) return false;
  auto file = io_.files.open(settings_.directory + "/" + segment.name, io::OpenMode::kRead);
  if (!file) return false;
  SegmentScanner scanner(**file, crc_, segment.base_lsn, segment.end_lsn, segment.epoch);
  // All of them at once: one after the other a long backlog costs a seek of the disk for each
  // chunk.
  for (const SideFile::Chunk& chunk : side->chunks) {
    if (is_unfinished(chunk) && scanner.covers(last_frame(chunk))) {
      scanner.will_need(last_frame(chunk));
    }
  }
  std::vector<TakenFrames> taken;
  for (const SideFile::Chunk& chunk : side->chunks) {
    taken.emplace_back();
    if (!is_unfinished(chunk)) continue;
    if (!is_whole(chunk) && table_.is_sealed(chunk.seq)) return false;
    const auto fits = take_frames(scanner, chunk, taken.back());
    if (!fits || !*fits) return false;
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    table_.add(side->chunks[i], taken[i], segment.base_lsn);
  }
  for (const RequestKey& key : side->keys) {
    keep_key(key);
  }
  ++held_;
  read_end_ = std::max(read_end_, segment.end_lsn);
  return true;
}

// Of a segment that was read and is damaged, its side file tells what was there. The lines of
// finished chunks stay as long as it, for it tells of them at the next start too.
void Recovery::recall_lost() {
  std::map<uint64_t, std::vector<Share>> finished;
  for (const Segment& segment : files_.segments) {
    if (!segment.damaged) continue;
    const auto side = read_side_file(io_.files, settings_.directory, segment, files_.uuid);
    if (!side || side->end_lsn != segment.end_lsn) continue;
    for (const SideFile::Chunk& chunk : side->chunks) {
      if (table_.chunks().contains(chunk.seq)) {
        table_.recall(chunk, segment.base_lsn);
      } else if (is_unfinished(chunk)) {
        lost_.push_back(chunk.id);
      } else {
        finished[chunk.seq].push_back(Share{segment.base_lsn, 0});
      }
    }
  }
  for (auto& [seq, shares] : finished) {
    kept_.push_back(KeptLine{files_.position.finished.at(seq), std::move(shares)});
  }
}

// A bad one is removed: what it told of its segment is in the segment. So it is for one that cannot
// be read, which may be there again at the next start.
Result<> Recovery::note_side_file(const std::string& name) {
  const std::string path = settings_.directory + "/" + name;
  auto bytes = io::read_whole(io_.files, path, kSideFileBytesMax);
  const bool unreadable = !bytes && bytes.error().kind != ErrorKind::kInvalid;
  SideFile side;
  if (!bytes || !decode(*bytes, side) || side.uuid != files_.uuid ||
      name != side_file_name(side.epoch, side.base_lsn)) {
    log::warn("buffer",
              unreadable ? "a side file cannot be read; messages it knows may be stored twice if "
                           "sent again"
                         : "a side file is damaged; messages it knew may be stored twice if sent "
                           "again",
              {{"path", path}, {"error", unreadable ? bytes.error().message : ""}});
    return unreadable ? Result<>() : io_.files.unlink(path);
  }
  files_.highest_epoch = std::max(files_.highest_epoch, side.epoch);
  // A segment that was cut to an odd size ends where no commit can begin.
  proof_ = std::max(proof_, round_up(side.end_lsn, kBlockBytes));
  side_files_.push_back(SideFileSet::Known{.base_lsn = side.base_lsn,
                                           .epoch = side.epoch,
                                           .keys = side.keys.size(),
                                           .since_ms = io_.clock.running_ms()});
  // One that was cut to be removed does not hold its groups any more.
  const bool has_segment =
      std::any_of(files_.segments.begin(), files_.segments.end(), [&](const Segment& segment) {
        return segment.base_lsn == side.base_lsn && segment.epoch == side.epoch &&
               segment.end_lsn >= side.end_lsn;
      });
  if (has_segment) return {};
  for (const RequestKey& key : side.keys) {
    keep_key(key);
  }
  return {};
}

}  // namespace millrace::buffer
