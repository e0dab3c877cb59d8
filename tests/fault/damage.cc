// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/damage.h"

#include <algorithm>

#include "buffer/layout.h"

namespace millrace::fault {
namespace {

constexpr uint64_t kBlock = buffer::kBlockBytes;
constexpr uint64_t kReadBefore = 64ULL << 10;  // chunks that end so far below a cut are not read

bool lies_in(const std::set<uint32_t>& lost, const std::set<uint32_t>& allowed) {
  return std::includes(allowed.begin(), allowed.end(), lost.begin(), lost.end());
}

std::string summary(const Recovered& result) {
  return " (lost " + std::to_string(result.lost.size()) + ", repeated " +
         std::to_string(result.repeated) + ", damaged " + std::to_string(result.damaged) +
         ", corrupt bytes " + std::to_string(result.corrupt_bytes) + ", missing segments " +
         std::to_string(result.missing_segments) + ", torn bytes " +
         std::to_string(result.torn_bytes) + ")";
}

struct Place {
  uint64_t begin;
  uint64_t end;
};

// What is lost lies in DATA frames that a place touches, and something was told.
std::string check_places(const GoldenLog& golden, const io::DiskState& disk,
                         const std::vector<Place>& places) {
  const Recovered result = golden.recover(disk);
  if (!result.complaint.empty()) return result.complaint;
  std::set<uint32_t> allowed;
  for (const GoldenLog::Group& group : golden.groups()) {
    for (const GoldenLog::Frame& frame : group.frames) {
      const bool hit = std::any_of(places.begin(), places.end(), [&](const Place& place) {
        return frame.begin < place.end && frame.end > place.begin;
      });
      if (hit) allowed.insert(frame.records.begin(), frame.records.end());
    }
  }
  if (!lies_in(result.lost, allowed)) return "more is lost than was hit" + summary(result);
  return result.lost.empty() || result.told() ? "" : "a loss that nothing tells" + summary(result);
}

}  // namespace

std::string check_segment_flip(const GoldenLog& golden, uint64_t bit) {
  const Recovered result = golden.recover(golden.with_flip(golden.segment(), bit));
  if (!result.complaint.empty()) return result.complaint;
  const GoldenLog::Frame* frame = golden.data_frame_at(bit / 8);
  std::set<uint32_t> allowed;
  if (frame != nullptr) allowed.insert(frame->records.begin(), frame->records.end());
  if (!lies_in(result.lost, allowed)) return "more is lost than one frame" + summary(result);
  if (!result.lost.empty() && !result.told()) return "a loss that nothing tells";
  if (result.missing_segments > 0) return "a segment is said to be missing";
  return result.repeated > 0 ? "a finished chunk comes again" : "";
}

std::string check_position_flip(const GoldenLog& golden, uint64_t bit) {
  const Recovered result = golden.recover(golden.with_flip(golden.position(), bit));
  if (!result.complaint.empty()) return result.complaint;
  if (!result.lost.empty()) return "records are lost" + summary(result);
  if (result.repeated > 1) return "more than one chunk comes again" + summary(result);
  return result.told() ? "told of damage in the log" + summary(result) : "";
}

std::string check_cut(const GoldenLog& golden, uint64_t bytes, Behind behind) {
  io::DiskState disk = golden.with_size(golden.segment(), bytes);
  if (behind != Behind::kNothing) {
    const uint64_t size = golden.disk().cache(*golden.disk().find(golden.segment())).size();
    const io::InodeId inode = *disk.find(golden.segment());
    disk.resize(inode, size);
    if (behind == Behind::kGarbage) {
      io::SimulatedRandom random(bytes);
      std::string garbage(std::min<uint64_t>(size - bytes, 5000), '\0');
      for (char& byte : garbage) byte = static_cast<char>(random.next());
      disk.write(inode, garbage, bytes);
    }
    disk.sync(inode);
  }
  const uint64_t read_from = bytes % 64 == 0 ? 0 : bytes - std::min(bytes, kReadBefore);
  const Recovered result = golden.recover(disk, read_from);
  if (!result.complaint.empty()) return result.complaint;
  for (const GoldenLog::Group& group : golden.groups()) {
    size_t lost = 0;
    size_t records = 0;
    for (const GoldenLog::Frame& frame : group.frames) {
      records += frame.records.size();
      lost += static_cast<size_t>(
          std::count_if(frame.records.begin(), frame.records.end(),
                        [&](uint32_t record) { return result.lost.contains(record); }));
    }
    if (lost > 0 && group.commit_end <= bytes) return "a whole commit is lost" + summary(result);
    if (lost > 0 && lost < records) return "part of a group is lost" + summary(result);
  }
  // A first commit without its end was durable before the file got its name: no tail is torn there.
  const bool in_first = bytes < golden.groups().front().commit_end;
  if (result.corrupt_bytes > 0 && !in_first) return "told of corruption" + summary(result);
  return behind != Behind::kNothing && result.missing_segments > 0
             ? "a segment is said to be missing"
             : "";
}

std::string check_zeroed_block(const GoldenLog& golden, uint64_t offset) {
  const std::string zeros(kBlock, '\0');
  return check_places(golden, golden.with_bytes(golden.segment(), offset, zeros),
                      {{offset, offset + kBlock}});
}

std::string check_random_damage(const GoldenLog& golden, uint64_t seed) {
  io::SimulatedRandom random(seed);
  io::DiskState disk = golden.disk();
  std::vector<Place> places;
  // Not in the last commit and its PAD: hit together they are as a torn tail.
  const auto& groups = golden.groups();
  const auto last = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
    return group.commit_end == groups[groups.size() - 2].commit_end;
  });
  for (uint64_t i = 0; i <= random.below(4); ++i) {
    std::string bytes(1 + random.below(300), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    const uint64_t at = kBlock + random.below(last->begin - kBlock - bytes.size());
    const io::InodeId inode = *disk.find(golden.segment());
    disk.write(inode, bytes, at);
    disk.sync(inode);
    places.push_back({at, at + bytes.size()});
  }
  return check_places(golden, disk, places);
}

std::string check_lost_ends(const GoldenLog& golden, uint64_t chunk_seq, bool open, bool seal) {
  const std::string zeros(buffer::kFrameHeaderBytes, '\0');
  io::DiskState disk = golden.disk();
  const io::InodeId inode = *disk.find(golden.segment());
  for (const GoldenLog::Group& group : golden.groups()) {
    for (const GoldenLog::Frame& frame : group.frames) {
      const bool goes = (frame.kind == buffer::FrameKind::kOpen && open) ||
                        (frame.kind == buffer::FrameKind::kSeal && seal);
      if (frame.chunk_seq == chunk_seq && goes) disk.write(inode, zeros, frame.begin);
    }
  }
  disk.sync(inode);
  const Recovered result = golden.recover(disk);
  if (!result.complaint.empty()) return result.complaint;
  if (!result.lost.empty()) return "records are lost" + summary(result);
  return result.told() ? "" : "damage that nothing tells";
}

}  // namespace millrace::fault
