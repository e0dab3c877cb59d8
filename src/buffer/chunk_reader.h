// SPDX-License-Identifier: Apache-2.0
#pragma once

// ChunkReader: brings a queued chunk back from the log as the bytes of its delivery: head, body,
// tail. Every CRC is checked before the first byte is given out. What fails a check twice is left
// out in whole records, and the chunk is marked damaged; but of a chunk that was moved, what it was
// moved from is read instead if it is still there. Changes nothing on disk. Invariant: an
// undamaged chunk has the byte and record counts of its SEAL. One flush thread (or housekeeping)
// each; the SegmentSet must outlive it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "buffer/chunk.h"
#include "buffer/segment_set.h"
#include "io/io.h"

namespace millrace::buffer {

struct LoadedChunk {
  SealPayload seal;
  std::string bytes;  // head, body, tail; reused from chunk to chunk
  uint64_t records = 0;
  bool damaged = false;
  uint64_t missing_records = 0;
  uint64_t missing_bytes = 0;
  bool more_missing = false;         // and frames whose number of records went with a lost SEAL
  std::vector<uint64_t> damaged_at;  // lsns of frames that are there and do not hold
};

class ChunkReader {
 public:
  /// Makes the tail of the bytes that it covers: md5(), or who does the same for several threads.
  using TailOf = std::function<Md5Bytes(std::string_view)>;

  ChunkReader(io::FileSystem& files, std::string directory, const SegmentSet& segments, LogCrc crc,
              TailOf tail_of = md5);

  /// Fills `out`. kCorrupt: not even the SEAL holds. Any other error: the disk does not answer.
  Result<> read(const QueuedChunk& chunk, LoadedChunk& out);
  /// The same with the frames that `out.seal` lists, for a chunk whose SEAL is not on disk.
  Result<> read_listed(const QueuedChunk& chunk, LoadedChunk& out);

  /// The SEAL of a chunk at `lsn`. Returns the bytes of its frame.
  Result<uint64_t> read_seal(uint64_t chunk_seq, uint64_t lsn, SealPayload& out);
  /// The DATA frame `index` of those that `seal` lists, as it stands on disk but for its padding.
  /// kCorrupt if it does not hold. Valid until the next call.
  Result<std::string_view> frame_bytes(uint64_t chunk_seq, const SealPayload& seal, size_t index);

 private:
  struct View {
    FrameHeader header;
    std::string_view payload;
  };

  Result<View> frame_at(uint64_t lsn, uint64_t frame_bytes_hint);
  Result<View> frame_at_twice(uint64_t lsn, uint64_t frame_bytes_hint);
  Result<std::string_view> bytes_at(uint64_t lsn, uint64_t bytes, uint64_t bytes_hint);
  Result<> read_window(uint64_t lsn, uint64_t least, uint64_t wanted);
  Result<View> data_frame(uint64_t chunk_seq, const SealPayload& seal, size_t index);
  Result<> read_at(uint64_t seal_lsn, const QueuedChunk& chunk, LoadedChunk& out);
  Result<> open_segment(uint64_t lsn);
  Result<> read_body(LoadedChunk& out, uint64_t chunk_seq);
  void append_tail(LoadedChunk& out) const;

  io::FileSystem& files_;
  const std::string directory_;
  const SegmentSet& segments_;
  const LogCrc crc_;
  const TailOf tail_of_;
  std::unique_ptr<io::File> file_;  // of segment_
  Segment segment_;
  std::unique_ptr<char[]> window_;  // bytes of segment_ from window_lsn_ on
  uint64_t window_capacity_ = 0;
  uint64_t window_bytes_ = 0;
  uint64_t window_lsn_ = 0;
};

}  // namespace millrace::buffer
