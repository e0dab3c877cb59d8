// SPDX-License-Identifier: Apache-2.0
#include "buffer/first_commit.h"

namespace millrace::buffer {

Result<> publish_first_commit(io::Io io, const std::string& directory, Spare& spare,
                              SegmentHeader& header, Batch& batch, const LogCrc& crc,
                              SegmentSet& segments, uint64_t end_lsn) {
  header.created_us = io.clock.wall_us();
  header.capacity = spare.capacity;
  batch.stamp(crc, header.epoch);
  const std::string name = segment_name(header.epoch, header.base_lsn);
  auto published = publish_segment(io.files, directory, spare, header, batch.content());
  if (!published) {
    (void)io.files.unlink(spare.path);
    (void)io.files.unlink(directory + "/" + name);  // a rename that fails may have been done
    return published;
  }
  segments.add(Segment{.base_lsn = header.base_lsn,
                       .epoch = header.epoch,
                       .name = name,
                       .end_lsn = end_lsn,
                       .file_bytes = spare.capacity});
  return {};
}

}  // namespace millrace::buffer
