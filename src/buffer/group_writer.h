// SPDX-License-Identifier: Apache-2.0
#pragma once

// GroupWriter: lays out one group at the end of a Batch: header, frames, CRCs. At most one DATA
// frame is open at a time; it takes records until its chunk changes or it is full. Does not decide
// when a chunk is sealed, nor stamp what belongs to the commit. Invariant: between begin() and
// end() the batch ends inside this group, 8-aligned but for the payload of the open DATA frame.
// Loop thread.

#include <cstdint>
#include <string_view>

#include "buffer/batch.h"
#include "buffer/layout.h"

namespace millrace::buffer {

class GroupWriter {
 public:
  GroupWriter(const LogCrc& crc) : crc_(crc) {}

  void begin(Batch& batch, GroupType type, std::string_view request_key, uint32_t built_unix);
  bool open() const { return batch_ != nullptr; }
  uint64_t body_bytes() const;
  uint32_t frames() const { return header_.frames; }

  /// Writes a whole OPEN or SEAL frame of `chunk`. Ends the open DATA frame first. Returns its lsn.
  uint64_t put_frame(StagedChunk& chunk, FrameKind kind, uint32_t frame_no,
                     std::string_view payload);

  /// Writes a frame of another group again, `bytes` with its padding. Returns its lsn.
  uint64_t copy_frame(const FrameHeader& header, std::string_view bytes);

  /// Where the next record of `chunk` can be written in place: [tail, tail + bytes). Opens a DATA
  /// frame if none of this chunk is open or the open one holds kDataPayloadBytesMax.
  struct Space {
    char* begin;
    size_t bytes;
  };
  Space space(StagedChunk& chunk);
  /// The first `bytes` of the last space() are one record.
  void take_in_place(StagedChunk& chunk, size_t bytes);
  /// Copies a record in, over several frames if it is larger than one may be.
  void put_record(StagedChunk& chunk, std::string_view record);
  /// Drops an open DATA frame that took nothing, ends one that did.
  void end_frame();

  /// Fills the header. The group stays as it is from now on.
  void end();
  /// Takes the whole group back.
  void abort();

 private:
  void begin_frame(StagedChunk& chunk, uint8_t flags);
  void count_frame(StagedChunk& chunk, const FrameHeader& header);
  void pad();

  LogCrc crc_;
  Batch* batch_ = nullptr;
  Batch::Mark begin_mark_;
  GroupHeader header_;
  char* header_at_ = nullptr;

  StagedChunk* chunk_ = nullptr;  // of the open DATA frame
  Batch::Mark frame_mark_;
  FrameHeader frame_;
  char* frame_at_ = nullptr;
  uint64_t frame_lsn_ = 0;
};

}  // namespace millrace::buffer
