// SPDX-License-Identifier: Apache-2.0
#include "buffer/side_file.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/endian.h"
#include "buffer/segment_file.h"
#include "buffer/segment_scanner.h"

namespace millrace::buffer {
namespace {

constexpr std::string_view kMagic{"MRIDX1\0\0", 8};
constexpr size_t kHeadBytes = 64;
constexpr size_t kChunkBytes = 56;
constexpr size_t kFrameBytes = 24;
constexpr size_t kKeyBytes = sizeof(RequestKey);
constexpr size_t kCrcBytes = 4;
constexpr std::string_view kSuffix = ".idx";
constexpr std::string_view kUnfinishedPrefix = ".seg.";  // as io::write_whole names it
constexpr std::string_view kUnfinishedSuffix = ".idx.tmp";

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  store_le<T>(bytes, value);
  out.append(bytes, sizeof bytes);
}

// What is left to read; get() is only called for what was counted.
struct Reader {
  std::string_view left;

  template <class T>
  T get() {
    const T value = load_le<T>(left.data());
    left.remove_prefix(sizeof value);
    return value;
  }
  std::string_view take(size_t bytes) {
    const std::string_view taken = left.substr(0, bytes);
    left.remove_prefix(bytes);
    return taken;
  }
};

bool decode_chunk(Reader& reader, SideFile::Chunk& chunk) {
  if (reader.left.size() < kChunkBytes) return false;
  chunk.seq = reader.get<uint64_t>();
  chunk.id = ChunkId::from_bytes(reader.take(16));
  chunk.open_lsn = reader.get<uint64_t>();
  chunk.seal_lsn = reader.get<uint64_t>();
  chunk.frame_bytes = reader.get<uint64_t>();
  const uint32_t frames = reader.get<uint32_t>();
  reader.get<uint32_t>();
  if (reader.left.size() / kFrameBytes < frames) return false;
  chunk.frames.resize(frames);
  for (SideFile::Frame& frame : chunk.frames) {
    frame.lsn = reader.get<uint64_t>();
    frame.frame_no = reader.get<uint32_t>();
    frame.payload_bytes = reader.get<uint32_t>();
    frame.records = reader.get<uint32_t>();
    frame.header_crc = reader.get<uint32_t>();
  }
  return true;
}

// The id of a chunk, from the payload of its OPEN or SEAL.
Result<> note_id(SegmentScanner& scanner, const ScannedFrame& frame, SideFile::Chunk& chunk) {
  auto payload = scanner.payload(frame);
  if (!payload) return tl::unexpected(payload.error());
  if (!*payload) return {};
  OpenPayload open;
  SealPayload seal;
  if (frame.header.kind == FrameKind::kOpen) {
    if (decode(**payload, open)) chunk.id = open.id;
  } else if (decode(**payload, seal)) {
    chunk.id = seal.open.id;
  }
  return {};
}

Result<> note_frame(SegmentScanner& scanner, const ScannedFrame& frame, SideFile::Chunk& chunk) {
  chunk.seq = frame.header.chunk_seq;
  chunk.frame_bytes += frame.header.padded_bytes();
  if (frame.header.kind == FrameKind::kData) {
    chunk.frames.push_back(SideFile::Frame{.lsn = frame.lsn,
                                           .frame_no = frame.header.frame_no,
                                           .payload_bytes = frame.header.payload_bytes,
                                           .records = frame.header.records,
                                           .header_crc = frame.header.header_crc});
    return {};
  }
  (frame.header.kind == FrameKind::kOpen ? chunk.open_lsn : chunk.seal_lsn) = frame.lsn;
  return note_id(scanner, frame, chunk);
}

void note_key(const GroupHeader& header, std::vector<RequestKey>& keys) {
  if (header.type != GroupType::kAppend) return;
  RequestKey key;
  std::copy_n(header.key, key.size(), key.begin());
  if (key != RequestKey{}) keys.push_back(key);
}

// Over damage to the next group; the frames in it that hold are not looked for.
Result<> pass_damage(SegmentScanner& scanner, SideFile& side) {
  side.damaged = true;
  auto next = scanner.find_group(scanner.lsn() + 8);
  if (!next) return tl::unexpected(next.error());
  scanner.move_to(*next ? (*next)->lsn : side.end_lsn);
  return {};
}

}  // namespace

std::string side_file_name(uint32_t epoch, uint64_t base_lsn) {
  std::string name = segment_name(epoch, base_lsn);
  name.resize(name.size() - kSuffix.size());
  return name.append(kSuffix);
}

bool is_side_file_name(const std::string& name) {
  if (!name.ends_with(kSuffix)) return false;
  uint32_t epoch = 0;
  uint64_t base_lsn = 0;
  return parse_segment_name(name.substr(0, name.size() - kSuffix.size()) + ".log", epoch, base_lsn);
}

bool is_unfinished_side_file_name(const std::string& name) {
  return name.starts_with(kUnfinishedPrefix) && name.ends_with(kUnfinishedSuffix);
}

std::string encode(const SideFile& side) {
  std::string out(kMagic);
  out.append(side.uuid);
  put(out, side.base_lsn);
  put(out, side.end_lsn);
  put(out, side.epoch);
  put<uint32_t>(out, side.damaged ? 1 : 0);
  put(out, static_cast<uint32_t>(side.chunks.size()));
  put(out, static_cast<uint32_t>(side.keys.size()));
  put<uint64_t>(out, 0);  // the length, at the end
  for (const SideFile::Chunk& chunk : side.chunks) {
    put(out, chunk.seq);
    out.append(chunk.id.view());
    put(out, chunk.open_lsn);
    put(out, chunk.seal_lsn);
    put(out, chunk.frame_bytes);
    put(out, static_cast<uint32_t>(chunk.frames.size()));
    put<uint32_t>(out, 0);
    for (const SideFile::Frame& frame : chunk.frames) {
      put(out, frame.lsn);
      put(out, frame.frame_no);
      put(out, frame.payload_bytes);
      put(out, frame.records);
      put(out, frame.header_crc);
    }
  }
  for (const RequestKey& key : side.keys) {
    out.append(key.data(), key.size());
  }
  store_le<uint64_t>(out.data() + 56, out.size() + kCrcBytes);
  put(out, LogCrc::of(side.uuid)(out));
  return out;
}

bool decode(std::string_view bytes, SideFile& side) {
  if (bytes.size() < kHeadBytes + kCrcBytes || !bytes.starts_with(kMagic)) return false;
  Reader reader{bytes.substr(kMagic.size())};
  side.uuid = reader.take(16);
  side.base_lsn = reader.get<uint64_t>();
  side.end_lsn = reader.get<uint64_t>();
  side.epoch = reader.get<uint32_t>();
  side.damaged = (reader.get<uint32_t>() & 1) != 0;
  const uint32_t chunks = reader.get<uint32_t>();
  const uint32_t keys = reader.get<uint32_t>();
  if (reader.get<uint64_t>() != bytes.size()) return false;
  const std::string_view covered = bytes.substr(0, bytes.size() - kCrcBytes);
  const uint32_t crc = load_le<uint32_t>(bytes.data() + covered.size());
  if (crc != LogCrc::of(side.uuid)(covered)) return false;
  if (side.base_lsn > side.end_lsn || side.end_lsn > kLsnMax || side.epoch < 1 ||
      side.epoch > kEpochMax || side.base_lsn % kBlockBytes != 0) {
    return false;
  }
  reader.left.remove_suffix(kCrcBytes);
  if (reader.left.size() / kChunkBytes < chunks) return false;
  side.chunks.assign(chunks, {});
  for (SideFile::Chunk& chunk : side.chunks) {
    if (!decode_chunk(reader, chunk)) return false;
  }
  if (reader.left.size() != uint64_t{keys} * kKeyBytes) return false;
  side.keys.resize(keys);
  for (RequestKey& key : side.keys) {
    const std::string_view from = reader.take(kKeyBytes);
    std::copy_n(from.begin(), kKeyBytes, key.begin());
  }
  return true;
}

std::optional<SideFile> read_side_file(io::FileSystem& files, const std::string& directory,
                                       const Segment& segment, const std::string& uuid) {
  const std::string path = directory + "/" + side_file_name(segment.epoch, segment.base_lsn);
  const auto bytes = io::read_whole(files, path, kSideFileBytesMax);
  SideFile side;
  const bool fits = bytes && decode(*bytes, side) && side.uuid == uuid &&
                    side.base_lsn == segment.base_lsn && side.epoch == segment.epoch &&
                    side.end_lsn >= segment.end_lsn;
  return fits ? std::optional<SideFile>(std::move(side)) : std::nullopt;
}

Result<SideFile> scan(io::File& file, const Segment& segment, const std::string& uuid) {
  SideFile side{.uuid = uuid,
                .base_lsn = segment.base_lsn,
                .end_lsn = segment.end_lsn,
                .epoch = segment.epoch,
                .damaged = segment.damaged,
                .chunks = {},
                .keys = {}};
  std::map<uint64_t, SideFile::Chunk> chunks;
  SegmentScanner scanner(file, LogCrc::of(uuid), segment.base_lsn, segment.end_lsn, segment.epoch);
  while (scanner.lsn() < segment.end_lsn) {
    auto group = scanner.next(false);
    if (!group) return tl::unexpected(group.error());
    if (!*group) {
      if (auto passed = pass_damage(scanner, side); !passed) return tl::unexpected(passed.error());
      continue;
    }
    note_key((*group)->header, side.keys);
    for (const ScannedFrame& frame : (*group)->frames) {
      SideFile::Chunk& chunk = chunks[frame.header.chunk_seq];
      if (auto noted = note_frame(scanner, frame, chunk); !noted) {
        return tl::unexpected(noted.error());
      }
    }
  }
  for (auto& [seq, chunk] : chunks) {
    if (chunk.seal_lsn != kNoLsn) chunk.frames.clear();
    side.chunks.push_back(std::move(chunk));
  }
  return side;
}

}  // namespace millrace::buffer
