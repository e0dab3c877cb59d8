// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/golden_log.h"

#include <algorithm>

#include "base/check.h"
#include "buffer/position_line.h"
#include "buffer/segment_file.h"
#include "buffer/segment_scanner.h"

namespace millrace::fault {
namespace {

using buffer::kSegmentHeaderBytes;
using metrics::Metric;

constexpr uint32_t kRequests = 4000;  // more than fit

}  // namespace

GoldenLog::GoldenLog(Settings settings) {
  io::SimulatedRandom random(settings.seed);
  plan_.seed = settings.seed;
  plan_.chunk_bytes_max = settings.bytes / 24;
  plan_.segment_bytes = settings.bytes;
  uint32_t records = 0;
  for (uint32_t number = 0; number < kRequests; ++number) {
    Request request{.number = number, .stage = static_cast<uint32_t>(random.below(2))};
    for (uint64_t i = 0; i <= random.below(3); ++i) {
      request.record_bytes.push_back(20 +
                                     static_cast<uint32_t>(random.below(settings.record_bytes)));
      records_[record_of(request, i)] = records++;
    }
    plan_.requests.push_back(std::move(request));
  }
  io::SimulatedFileSystem files;
  files.set_reservation_max("spare.", settings.bytes);
  io::SimulatedClock clock;
  Oracle oracle(plan_);
  {
    Node node(plan_, Machine{files, clock, random, pool_}, oracle, 0);
    CHECK(node.start().has_value());
    fill(node, random, settings);
  }
  CHECK(oracle.complaint().empty());
  disk_ = files.state();
  position_ = plan_.directory_of(0) + "/chunks.pos";
  survey();
  read_chunks();
}

// Requests, one or several a commit, until the segment is nearly full; some chunks are delivered,
// the last ones stay staged.
void GoldenLog::fill(Node& node, io::SimulatedRandom& random, const Settings& settings) {
  const uint64_t limit = settings.bytes - settings.bytes / 12 - 16'384;
  for (const Request& request : plan_.requests) {
    const auto newest = node.log(0).segments().newest();
    if (newest->end_lsn - newest->base_lsn + kSegmentHeaderBytes > limit) break;
    node.send(request, 0);
    if (random.one_in(2)) continue;
    CHECK(node.commit(0));
    if (settings.delivers && random.one_in(4)) {
      if (auto taken = node.take(0)) node.finish(0, *taken);
    }
  }
  CHECK(node.commit(0));
  if (settings.ends_with_pad) node.step(Step{.act = Act::kPad});
  node.tend(0);
}

void GoldenLog::survey() {
  for (const auto& [name, inode] : disk_.names()) {
    uint32_t epoch = 0;
    uint64_t base = 0;
    const std::string file = name.substr(name.find_last_of('/') + 1);
    if (buffer::parse_segment_name(file, epoch, base)) {
      CHECK(segment_.empty() && base == 0 && epoch == 1);
      segment_ = name;
    }
  }
  io::SimulatedFileSystem files(disk_);
  auto file = files.open(segment_, io::OpenMode::kRead);
  CHECK(file.has_value());
  buffer::SegmentHeader header;
  std::string head(kSegmentHeaderBytes, '\0');
  CHECK((*file)->pread(head.data(), head.size(), 0).has_value());
  CHECK(buffer::decode(head, header) == buffer::HeaderState::kValid);
  buffer::SegmentScanner scanner(**file, buffer::LogCrc::of(header.uuid), 0, *(*file)->size(), 1);
  size_t whole = 0;  // groups whose commit is over
  while (auto group = *scanner.next(true)) {
    Group found{.begin = kSegmentHeaderBytes + group->header.lsn,
                .end = kSegmentHeaderBytes + group->header.end_lsn(),
                .commit_end = kSegmentHeaderBytes + scanner.lsn()};
    for (const buffer::ScannedFrame& frame : group->frames) {
      Frame data{.begin = kSegmentHeaderBytes + frame.lsn,
                 .end = kSegmentHeaderBytes + frame.lsn + frame.header.padded_bytes(),
                 .chunk_seq = frame.header.chunk_seq,
                 .kind = frame.header.kind,
                 .records = {}};
      if (frame.header.kind == buffer::FrameKind::kData) {
        data.records = records_in(**scanner.payload(frame), nullptr);
      }
      Chunk& chunk = chunks_[frame.header.chunk_seq];
      chunk.end = data.end;
      chunk.records.insert(chunk.records.end(), data.records.begin(), data.records.end());
      found.frames.push_back(std::move(data));
    }
    groups_.push_back(std::move(found));
    if ((group->header.flags & buffer::kGroupEndsCommit) == 0) continue;
    for (; whole < groups_.size(); ++whole) groups_[whole].commit_end = groups_.back().commit_end;
  }
  CHECK(groups_.size() > 8);
  const auto text = io::read_whole(files, position_, 1 << 24);
  position_end_ = text->find_last_not_of('\0') + 1;
}

// What each chunk is, told by a start of which nothing was damaged.
void GoldenLog::read_chunks() {
  io::SimulatedFileSystem files(disk_);
  io::SimulatedClock clock;
  io::SimulatedRandom random(7);
  Oracle oracle(plan_);
  for (const Request& request : plan_.requests) oracle.sent(request.number);
  Node node(plan_, Machine{files, clock, random, pool_}, oracle, 0);
  CHECK(node.start().has_value());
  while (auto taken = node.take(0)) {
    chunks_[taken->chunk.seq].bytes = taken->loaded.bytes;
    node.finish(0, *taken);
  }
  for (auto& [seq, chunk] : chunks_) {
    chunk.finished = chunk.bytes.empty();
  }
  CHECK(oracle.complaint().empty());
}

std::vector<uint32_t> GoldenLog::records_in(std::string_view body, std::string* complaint) const {
  std::vector<uint32_t> found;
  while (!body.empty()) {
    const size_t end = std::min(body.find(';'), body.size() - 1) + 1;
    const auto known = records_.find(body.substr(0, end));
    if (known != records_.end()) {
      found.push_back(known->second);
    } else {
      CHECK(complaint != nullptr);
      *complaint = "a record that nobody sent";
      return found;
    }
    body.remove_prefix(end);
  }
  return found;
}

const GoldenLog::Frame* GoldenLog::data_frame_at(uint64_t offset) const {
  const auto group =
      std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return offset < g.end; });
  if (group == groups_.end()) return nullptr;
  for (const Frame& frame : group->frames) {
    if (offset >= frame.begin && offset < frame.end && !frame.records.empty()) return &frame;
  }
  return nullptr;
}

io::DiskState GoldenLog::with_flip(const std::string& path, uint64_t bit) const {
  char byte = 0;
  CHECK(disk_.cache(*disk_.find(path)).read(&byte, 1, bit / 8) == 1);
  byte = static_cast<char>(byte ^ (1 << (bit % 8)));
  return with_bytes(path, bit / 8, {&byte, 1});
}

io::DiskState GoldenLog::with_bytes(const std::string& path, uint64_t offset,
                                    std::string_view bytes) const {
  io::DiskState disk = disk_;
  const io::InodeId inode = *disk.find(path);
  disk.write(inode, bytes, offset);
  disk.sync(inode);
  return disk;
}

io::DiskState GoldenLog::with_size(const std::string& path, uint64_t size) const {
  io::DiskState disk = disk_;
  const io::InodeId inode = *disk.find(path);
  disk.resize(inode, size);
  disk.sync(inode);
  return disk;
}

io::DiskState GoldenLog::without(const std::string& path) const {
  io::DiskState disk = disk_;
  disk.unlink(path);
  disk.sync_directory(io::directory_of(path));
  return disk;
}

// A chunk that was sealed has its bytes, or is marked. One that this start has sealed may lack what
// was lost of it: nobody can know how long it was, and it was never sent. Of either, whole records.
void GoldenLog::judge(const buffer::LoadedChunk& loaded, const Chunk& chunk, Recovered& result,
                      std::vector<bool>& there) const {
  const bool same = !chunk.finished && loaded.bytes == chunk.bytes;
  if (loaded.damaged) {
    ++result.damaged;
  } else if (same) {
    for (const uint32_t record : chunk.records) there[record] = true;
    return;
  } else if (!chunk.finished && loaded.seal.reason != buffer::SealReason::kRecovery) {
    result.complaint = "other bytes";
  }
  const std::string_view body = std::string_view(loaded.bytes).substr(loaded.seal.open.head.size());
  for (const uint32_t record : records_in(body, &result.complaint)) {
    const bool own =
        std::find(chunk.records.begin(), chunk.records.end(), record) != chunk.records.end();
    if (!own) result.complaint = "a record of another chunk";
    there[record] = true;
  }
}

// A chunk of which neither OPEN nor SEAL is left lies there, the records that are left of it whole.
void GoldenLog::read_dead(io::FileSystem& files, Recovered& result,
                          std::vector<bool>& there) const {
  const std::string directory = plan_.directory_of(0) + "/dead";
  const auto entries = files.list(directory);
  if (!entries) return;
  for (const io::DirectoryEntry& entry : *entries) {
    if (!entry.name.ends_with(".chunk")) continue;
    ++result.dead;
    const auto body = io::read_whole(files, directory + "/" + entry.name, 1 << 24);
    CHECK(body.has_value());
    for (const uint32_t record : records_in(*body, &result.complaint)) there[record] = true;
  }
}

Recovered GoldenLog::recover(const io::DiskState& disk, uint64_t read_from) const {
  Recovered result;
  io::SimulatedFileSystem files(disk);
  files.set_reservation_max("spare.", plan_.segment_bytes);
  io::SimulatedClock clock;
  io::SimulatedRandom random(9);
  metrics::Registry registry;
  std::atomic<bool> interrupted{false};
  auto log = buffer::Log::open(
      io::Io{files, clock, random},
      buffer::LogSettings{
          .directory = plan_.directory_of(0), .output_id = "out0", .total_limit_bytes = 1ULL << 40},
      pool_, registry, interrupted);
  if (!log) {
    result.complaint = "a start failed: " + log.error().message;
    return result;
  }
  std::vector<bool> there(records_.size());
  buffer::ChunkReader reader = (*log)->make_reader();
  buffer::LoadedChunk loaded;
  while ((*log)->queue().counts().due > 0) {
    const buffer::QueuedChunk queued = *(*log)->queue().take();
    const auto known = chunks_.find(queued.seq);
    if (known == chunks_.end()) {
      result.complaint = "a chunk that nobody made";
      break;
    }
    if (known->second.finished) ++result.repeated;
    if (known->second.end < read_from && !queued.damaged && !known->second.finished) {
      for (const uint32_t record : known->second.records) there[record] = true;
      continue;
    }
    auto read = reader.read(queued, loaded);
    if (!read) {
      ++result.damaged;  // not even its SEAL: nothing of it is sent
    } else {
      judge(loaded, known->second, result, there);
    }
  }
  if ((*log)->queue().counts().dead_letters > 0) {
    (*log)->tend();
    read_dead(files, result, there);
  }
  for (const auto& [seq, chunk] : chunks_) {
    for (const uint32_t record : chunk.records) {
      if (!there[record] && !chunk.finished) result.lost.insert(record);
    }
  }
  result.corrupt_bytes = registry.total(Metric::kCorruptBytes);
  result.missing_segments = registry.total(Metric::kMissingSegments);
  result.torn_bytes = registry.total(Metric::kTornBytes);
  result.damaged_chunks = registry.total(Metric::kDamagedChunks);
  return result;
}

}  // namespace millrace::fault
