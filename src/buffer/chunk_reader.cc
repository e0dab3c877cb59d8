// SPDX-License-Identifier: Apache-2.0
#include "buffer/chunk_reader.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/digest.h"

namespace millrace::buffer {
namespace {

constexpr uint64_t kWindowBytesMax = 512ULL << 10;
constexpr uint64_t kReserveBytesMax = 16ULL << 20;  // a SEAL's count is not trusted for more
constexpr size_t kMagicBytes = 4;                   // not part of a KPL record's digest

}  // namespace

ChunkReader::ChunkReader(io::FileSystem& files, std::string directory, const SegmentSet& segments,
                         LogCrc crc, TailOf tail_of)
    : files_(files),
      directory_(std::move(directory)),
      segments_(segments),
      crc_(crc),
      tail_of_(std::move(tail_of)) {}

Result<> ChunkReader::open_segment(uint64_t lsn) {
  const bool inside = file_ != nullptr && lsn >= segment_.base_lsn && lsn < segment_.end_lsn;
  if (inside) return {};
  const std::optional<Segment> found = segments_.find(lsn);
  if (!found)
    return fail(ErrorKind::kCorrupt, directory_ + ": no segment holds lsn " + std::to_string(lsn));
  const bool same =
      file_ != nullptr && found->base_lsn == segment_.base_lsn && found->epoch == segment_.epoch;
  segment_ = *found;
  window_bytes_ = 0;
  if (same) return {};
  file_.reset();
  auto file = files_.open(directory_ + "/" + found->name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  file_ = std::move(*file);
  return {};
}

// `bytes` bytes at `lsn`; reads `bytes_hint` ahead where it has to read.
Result<std::string_view> ChunkReader::bytes_at(uint64_t lsn, uint64_t bytes, uint64_t bytes_hint) {
  if (auto opened = open_segment(lsn); !opened) return tl::unexpected(opened.error());
  if (lsn + bytes > segment_.end_lsn) {
    return fail(ErrorKind::kCorrupt, segment_.name + ": a frame passes the segment's end");
  }
  const bool inside = lsn >= window_lsn_ && lsn + bytes <= window_lsn_ + window_bytes_;
  if (!inside) {
    const uint64_t wanted = std::max(bytes, std::min(bytes_hint, kWindowBytesMax));
    auto read = read_window(lsn, bytes, std::min(wanted, segment_.end_lsn - lsn));
    if (!read) return tl::unexpected(read.error());
  }
  return std::string_view(window_.get() + (lsn - window_lsn_), bytes);
}

// Not a string: whatever it grew by, it would fill with zeros first.
Result<> ChunkReader::read_window(uint64_t lsn, uint64_t least, uint64_t wanted) {
  window_lsn_ = lsn;
  window_bytes_ = 0;
  if (wanted > window_capacity_) {
    window_ = std::make_unique_for_overwrite<char[]>(wanted);
    window_capacity_ = wanted;
  }
  const uint64_t offset = kSegmentHeaderBytes + (lsn - segment_.base_lsn);
  auto got = file_->pread(window_.get(), wanted, offset);
  if (!got && wanted > least) {  // what is read ahead may be another chunk's trouble
    got = file_->pread(window_.get(), least, offset);
  }
  if (!got) return tl::unexpected(got.error());
  window_bytes_ = *got;
  if (*got < least) return fail(ErrorKind::kCorrupt, segment_.name + ": shorter than its log");
  return {};
}

Result<ChunkReader::View> ChunkReader::frame_at(uint64_t lsn, uint64_t frame_bytes_hint) {
  auto head = bytes_at(lsn, kFrameHeaderBytes, frame_bytes_hint);
  if (!head) return tl::unexpected(head.error());
  View view;
  if (!decode(*head, crc_, view.header)) {
    return fail(ErrorKind::kCorrupt, segment_.name + ": bad frame header");
  }
  auto whole = bytes_at(lsn, kFrameHeaderBytes + view.header.payload_bytes, frame_bytes_hint);
  if (!whole) return tl::unexpected(whole.error());
  view.payload = whole->substr(kFrameHeaderBytes);
  if (crc_(view.payload) != view.header.payload_crc) {
    return fail(ErrorKind::kCorrupt, segment_.name + ": bad frame payload");
  }
  return view;
}

// A mismatch is read once more through a new descriptor before it is believed.
Result<ChunkReader::View> ChunkReader::frame_at_twice(uint64_t lsn, uint64_t frame_bytes_hint) {
  auto view = frame_at(lsn, frame_bytes_hint);
  if (view || view.error().kind != ErrorKind::kCorrupt) return view;
  file_.reset();
  window_bytes_ = 0;
  return frame_at(lsn, 0);
}

Result<uint64_t> ChunkReader::read_seal(uint64_t chunk_seq, uint64_t lsn, SealPayload& out) {
  auto seal = frame_at_twice(lsn, 4096);
  if (!seal) return tl::unexpected(seal.error());
  if (seal->header.kind != FrameKind::kSeal || seal->header.chunk_seq != chunk_seq ||
      !decode(seal->payload, out)) {
    return fail(ErrorKind::kCorrupt, segment_.name + ": not the SEAL of this chunk");
  }
  return seal->header.padded_bytes();
}

Result<ChunkReader::View> ChunkReader::data_frame(uint64_t chunk_seq, const SealPayload& seal,
                                                  size_t index) {
  const uint64_t lsn = seal.frame_lsns[index];
  if (lsn == kNoLsn) return fail(ErrorKind::kCorrupt, "a frame is missing");
  // Up to the last frame, and that one too if it is not much larger than the others.
  const uint64_t frame_bytes = kFrameHeaderBytes + seal.body_bytes / seal.frame_lsns.size();
  auto view = frame_at_twice(lsn, seal.frame_lsns.back() - lsn + frame_bytes + frame_bytes / 4);
  if (!view) return view;
  if (view->header.kind != FrameKind::kData || view->header.chunk_seq != chunk_seq ||
      view->header.frame_no != index + 1) {
    return fail(ErrorKind::kCorrupt, segment_.name + ": not a frame of this chunk");
  }
  return view;
}

Result<std::string_view> ChunkReader::frame_bytes(uint64_t chunk_seq, const SealPayload& seal,
                                                  size_t index) {
  auto view = data_frame(chunk_seq, seal, index);
  if (!view) return tl::unexpected(view.error());
  return std::string_view(view->payload.data() - kFrameHeaderBytes,
                          kFrameHeaderBytes + view->payload.size());
}

Result<> ChunkReader::read(const QueuedChunk& chunk, LoadedChunk& out) {
  auto read = read_at(chunk.seal_lsn, chunk, out);
  if (chunk.older_seal_lsn == kNoLsn || (read && !out.damaged)) return read;
  LoadedChunk older;
  if (!read_at(chunk.older_seal_lsn, chunk, older) || older.damaged) return read;
  older.damaged_at = std::move(out.damaged_at);
  out = std::move(older);
  return {};
}

Result<> ChunkReader::read_at(uint64_t seal_lsn, const QueuedChunk& chunk, LoadedChunk& out) {
  out.seal = SealPayload{};
  out.bytes.clear();
  out.damaged_at.clear();
  auto seal = read_seal(chunk.seq, seal_lsn, out.seal);
  if (!seal && seal.error().kind == ErrorKind::kCorrupt) out.damaged_at = {seal_lsn};
  if (!seal) return tl::unexpected(seal.error());
  return read_listed(chunk, out);
}

Result<> ChunkReader::read_listed(const QueuedChunk& chunk, LoadedChunk& out) {
  out.records = out.missing_records = out.missing_bytes = 0;
  out.damaged = out.more_missing = false;
  out.damaged_at.clear();
  const OpenPayload& open = out.seal.open;
  out.bytes.reserve(open.head.size() + std::min(out.seal.body_bytes, kReserveBytesMax) +
                    sizeof(Md5Bytes));
  out.bytes = open.head;
  if (auto body = read_body(out, chunk.seq); !body) return body;
  append_tail(out);
  return {};
}

// A record may run over several frames: it is kept only if all of them hold. `record_begin` is
// where the record that is being collected starts in out.bytes.
Result<> ChunkReader::read_body(LoadedChunk& out, uint64_t chunk_seq) {
  const SealPayload& seal = out.seal;
  uint32_t chunk_crc = crc_.seed;
  size_t record_begin = out.bytes.size();
  uint64_t records_pending = 0;
  bool pending_good = true;
  bool may_be_split = false;
  for (size_t i = 0; i < seal.frame_lsns.size(); ++i) {
    auto view = data_frame(chunk_seq, seal, i);
    const bool good = view.has_value();
    if (!good && view.error().kind != ErrorKind::kCorrupt) return tl::unexpected(view.error());
    // A frame that cannot be read goes on with the record before it if that one may be split.
    const bool continues = good ? (view->header.flags & kFrameContinues) != 0 : may_be_split;
    may_be_split =
        good && view->header.records <= 1 && view->header.payload_bytes == kDataPayloadBytesMax;
    if (!continues) {
      if (pending_good) out.records += records_pending;
      if (!pending_good) out.bytes.resize(record_begin);
      record_begin = out.bytes.size();
      records_pending = 0;
      pending_good = true;
    }
    if (!good) {
      out.damaged = true;
      if (seal.frame_lsns[i] == kNoLsn) out.more_missing = true;
      if (seal.frame_lsns[i] != kNoLsn) out.damaged_at.push_back(seal.frame_lsns[i]);
      pending_good = false;
      continue;
    }
    chunk_crc = chain_crc(chunk_crc, view->header.header_crc);
    records_pending += view->header.records;
    out.bytes.append(view->payload);
  }
  if (pending_good) out.records += records_pending;
  if (!pending_good) out.bytes.resize(record_begin);
  const uint64_t body = out.bytes.size() - seal.open.head.size();
  if (!out.damaged && (chunk_crc != seal.chunk_crc || body != seal.body_bytes)) out.damaged = true;
  if (out.damaged) {
    out.missing_records = seal.records - std::min(seal.records, out.records);
    out.missing_bytes = seal.body_bytes - std::min(seal.body_bytes, body);
  }
  return {};
}

void ChunkReader::append_tail(LoadedChunk& out) const {
  if (out.seal.open.tail == TailKind::kNone) return;
  const std::string_view covered =
      std::string_view(out.bytes).substr(std::min(kMagicBytes, out.bytes.size()));
  const Md5Bytes tail = tail_of_(covered);
  out.bytes.append(reinterpret_cast<const char*>(tail.data()), tail.size());
}

}  // namespace millrace::buffer
