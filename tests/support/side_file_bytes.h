// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of a side file, put down from the table in buffer/side_file.h alone, with none of its
// code (log_bytes.h tells why).

#include "buffer/side_file.h"
#include "tests/support/log_bytes.h"

namespace millrace::testing {

inline std::string side_file_bytes(const buffer::SideFile& side) {
  std::string items;
  for (const buffer::SideFile::Chunk& chunk : side.chunks) {
    put_le(items, chunk.seq, 8);
    items += chunk.id.view();
    for (const uint64_t value : {chunk.open_lsn, chunk.seal_lsn, chunk.frame_bytes}) {
      put_le(items, value, 8);
    }
    put_le(items, chunk.frames.size(), 4);
    put_le(items, 0, 4);
    for (const buffer::SideFile::Frame& frame : chunk.frames) {
      put_le(items, frame.lsn, 8);
      for (const uint32_t value :
           {frame.frame_no, frame.payload_bytes, frame.records, frame.header_crc}) {
        put_le(items, value, 4);
      }
    }
  }
  for (const buffer::RequestKey& key : side.keys) items.append(key.data(), key.size());
  std::string out("MRIDX1\0\0", 8);
  out += side.uuid;
  put_le(out, side.base_lsn, 8);
  put_le(out, side.end_lsn, 8);
  put_le(out, side.epoch, 4);
  put_le(out, side.damaged ? 1 : 0, 4);
  put_le(out, side.chunks.size(), 4);
  put_le(out, side.keys.size(), 4);
  put_le(out, 64 + items.size() + 4, 8);
  out += items;
  put_le(out, crc_in_log(side.uuid, out), 4);
  return out;
}

}  // namespace millrace::testing
