// SPDX-License-Identifier: Apache-2.0
// The part of a view that tells what damage costs.

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "buffer/log_view.h"
#include "buffer/segment_file.h"
#include "buffer/side_file.h"

namespace millrace::buffer {

namespace {

std::string name_of_chunk(const ViewedChunk& chunk) {
  if (chunk.found.open) return "chunk " + chunk.found.open->id.uuid();
  if (chunk.found.told_id) return "chunk " + chunk.found.told_id->uuid();
  return fmt::format("chunk {:016x}", chunk.seq);
}

uint64_t first_lsn(const FoundChunk& chunk) {
  uint64_t first = kNoLsn;
  for (const auto& [frame_no, frame] : chunk.frames) first = std::min(first, frame.lsn);
  return first;
}

std::string cost_of(const ViewedChunk& chunk, const LoadedChunk& loaded) {
  return fmt::format("{}: {} of its {} records, {} bytes{}", name_of_chunk(chunk),
                     loaded.missing_records, loaded.seal.records, loaded.missing_bytes,
                     loaded.more_missing ? ", and others that only its lost SEAL told of" : "");
}

}  // namespace

// What is seen of a segment is not all that it had: its side file knows of more.
void LogView::recall_lost() {
  for (const auto& [name, scanned] : scanned_) {
    const Segment& segment = scanned.viewed.segment;
    if (scanned.damages.empty() || !set_.holds(segment.base_lsn, segment.epoch)) continue;
    const auto side = read_side_file(files_, directory_, segment, found_.uuid);
    if (!side || side->end_lsn != segment.end_lsn) continue;
    recalled_.insert(name);
    for (const SideFile::Chunk& chunk : side->chunks) {
      if (table_.chunks().contains(chunk.seq)) {
        table_.recall(chunk, segment.base_lsn);
      } else if (!found_.position.finished.contains(chunk.seq)) {
        gone_.push_back(chunk);
      }
    }
  }
}

// An intact frame in a damaged range is none of the damage.
bool LogView::is_hit(const Damage& damage, uint64_t lsn) const {
  return lsn != kNoLsn && lsn >= damage.lsn && lsn < damage.lsn + damage.bytes &&
         (damage.file.empty() || !kept_.contains(lsn));
}

// To the first of the ranges in which frames of the chunk lie that cannot be read; the others refer
// to it.
void LogView::add_cost(const ViewedChunk& chunk, const LoadedChunk& loaded) {
  const std::vector<uint64_t>& lsns = loaded.seal.frame_lsns;
  bool told = false;
  for (Damage& damage : damages_) {
    if (damage.lsn == kNoLsn) continue;
    const bool hit =
        is_hit(damage, chunk.found.lost_seal_lsn) ||
        std::any_of(lsns.begin(), lsns.end(), [&](uint64_t lsn) { return is_hit(damage, lsn); });
    if (!hit) continue;
    damage.costs.push_back(told ? name_of_chunk(chunk) + ": counted above"
                                : cost_of(chunk, loaded));
    told = true;
  }
  if (told) return;
  damages_.push_back(whole_file("", "frames of a chunk cannot be read", {cost_of(chunk, loaded)}));
}

// To the range that has one of `lsns`; to none, if none does.
void LogView::add_lost(std::initializer_list<uint64_t> lsns, const std::string& what,
                       const std::string& cost) {
  const auto hit = std::find_if(damages_.begin(), damages_.end(), [&](const Damage& damage) {
    return std::any_of(lsns.begin(), lsns.end(), [&](uint64_t lsn) { return is_hit(damage, lsn); });
  });
  if (hit != damages_.end()) {
    hit->costs.push_back(cost);
  } else {
    damages_.push_back(whole_file("", what, {cost}));
  }
}

// A frame that no SEAL lists.
void LogView::add_doubt(Damage& damage) const {
  const auto owner = chunks_.find(damage.frame->chunk_seq);
  if (owner != chunks_.end() && owner->second.finished) return;
  if (damage.frame->kind != FrameKind::kData) {  // OPEN and SEAL repeat each other
    if (owner == chunks_.end() || owner->second.found.open) return;
    damage.costs.push_back(name_of_chunk(owner->second) +
                           ": its head and partition key; its records go to dead/");
    return;
  }
  // A SEAL lists another copy, or the chunk's own row above tells what is lost.
  if (owner != chunks_.end() && owner->second.found.sealed) return;
  const std::string name =
      owner != chunks_.end() ? name_of_chunk(owner->second) : "an unknown chunk";
  damage.costs.push_back(fmt::format("{}: {} records", name, damage.frame->records));
}

// A chunk without SEAL does not tell which frames it had, and one of which nothing is left not even
// that it was there, unless a side file does.
void LogView::add_doubts(Damage& damage) const {
  const bool recalled = recalled_.contains(damage.file);
  for (const auto& [seq, chunk] : chunks_) {
    if (chunk.finished || chunk.found.sealed) continue;
    if (recalled && chunk.found.lost_seal_lsn == kNoLsn) continue;
    const uint64_t begin = chunk.found.open ? std::min(chunk.open_lsn, first_lsn(chunk.found)) : 0;
    if (begin != kNoLsn && begin >= damage.lsn + damage.bytes) continue;
    const std::string name = name_of_chunk(chunk);
    const bool told = std::any_of(damage.costs.begin(), damage.costs.end(),
                                  [&](const std::string& cost) { return cost.starts_with(name); });
    if (told) continue;
    damage.costs.push_back(name +
                           ": perhaps records; it has no SEAL that tells which frames it had");
  }
  if (recalled || damage.is_explained) return;
  damage.costs.push_back(
      "perhaps chunks of which nothing else is left; no side file tells what was here");
}

Result<> LogView::check_chunk(const ViewedChunk& chunk, LoadedChunk& loaded) {
  auto read = load(chunk, loaded);
  if (read && loaded.damaged) add_cost(chunk, loaded);
  if (read) return read;
  const ErrorKind kind = read.error().kind;
  if (kind == ErrorKind::kNotFound || kind == ErrorKind::kInvalid) return {};
  if (kind != ErrorKind::kCorrupt) return read;
  const std::string records =
      chunk.records() == 0 ? "what it held" : fmt::format("all of its {} records", chunk.records());
  add_lost({chunk.found.lost_seal_lsn, chunk.found.sealed ? chunk.found.seal_lsn : kNoLsn},
           read.error().message, name_of_chunk(chunk) + ": " + records + " cannot be delivered");
  return {};
}

Result<> LogView::check_chunks() {
  LoadedChunk loaded;
  for (const auto& [seq, chunk] : chunks_) {
    if (chunk.state == ChunkState::kFinished) continue;
    if (auto checked = check_chunk(chunk, loaded); !checked) return checked;
  }
  for (const SideFile::Chunk& chunk : gone_) {
    add_lost({chunk.seal_lsn, chunk.open_lsn}, "nothing of a chunk can be read",
             "chunk " + chunk.id.uuid() + ": all of it");
  }
  for (Damage& damage : damages_) {
    if (damage.lsn == kNoLsn || damage.file.empty()) continue;
    if (damage.frame && damage.costs.empty()) add_doubt(damage);
    if (!damage.frame) add_doubts(damage);
  }
  return check_side_files();
}

Result<> LogView::check_side_files() {
  auto entries = files_.list(directory_);
  if (!entries) return tl::unexpected(entries.error());
  std::pair<uint64_t, uint32_t> newest;
  for (const io::DirectoryEntry& entry : *entries) {
    if (entry.directory || !is_side_file_name(entry.name)) continue;
    const auto bytes = io::read_whole(files_, directory_ + "/" + entry.name, kSideFileBytesMax);
    if (!bytes && bytes.error().kind == ErrorKind::kNotFound) continue;  // removed meanwhile
    if (!bytes && bytes.error().kind != ErrorKind::kInvalid) return tl::unexpected(bytes.error());
    SideFile side;
    if (bytes && decode(*bytes, side) && side.uuid == found_.uuid &&
        entry.name == side_file_name(side.epoch, side.base_lsn)) {
      newest = std::max(newest, std::pair(side.base_lsn, side.epoch));
      continue;
    }
    damages_.push_back(
        whole_file(entry.name, "a side file does not hold",
                   {"messages that it knew may be stored twice if they are sent again"}));
  }
  return check_left(newest.first, newest.second);
}

// A side file is written when the segment behind its own is durable. That segment may have come
// since this view was made, so it is looked for now.
Result<> LogView::check_left(uint64_t base_lsn, uint32_t epoch) {
  if (found_.segments.empty()) return {};
  const Segment& newest = found_.segments.back();
  const std::pair left(base_lsn, epoch);
  if (left < std::pair(newest.base_lsn, newest.epoch)) return {};
  auto entries = files_.list(directory_);
  if (!entries) return tl::unexpected(entries.error());
  for (const io::DirectoryEntry& entry : *entries) {
    uint32_t its_epoch = 0;
    uint64_t its_base = 0;
    if (entry.directory || !parse_segment_name(entry.name, its_epoch, its_base)) continue;
    if (std::pair(its_base, its_epoch) > left) return {};
  }
  Damage missing = newest_missing(newest);
  const bool told = std::any_of(damages_.begin(), damages_.end(),
                                [&](const Damage& one) { return one.what == missing.what; });
  if (!told) damages_.push_back(std::move(missing));
  return {};
}

}  // namespace millrace::buffer
