// SPDX-License-Identifier: Apache-2.0
#include "buffer/first_commit.h"

#include "buffer/group_writer.h"

namespace millrace::buffer {

Result<> publish_first_commit(io::Io io, const std::string& directory, Spare& spare,
                              SegmentHeader& header, Batch& batch, const LogCrc& crc,
                              SegmentSet& segments, uint64_t end_lsn) {
  header.created_us = io.clock.wall_us();
  header.capacity = spare.capacity;
  batch.stamp(crc, header.epoch);
  const std::string name = segment_name(header.epoch, header.base_lsn);
  std::vector<iovec> content;
  batch.add_content(content);
  auto published = publish_segment(io.files, directory, spare, header, std::move(content));
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

Result<uint64_t> prove_commit(io::Io io, io::File& file, BlockPool& pool,
                              const SegmentHeader& header, const LogCrc& crc, SegmentSet& segments,
                              uint64_t end_lsn) {
  Batch pad(pool, end_lsn);
  GroupWriter writer(crc);
  writer.begin(pad, GroupType::kPad, {}, static_cast<uint32_t>(io.clock.wall_us() / 1'000'000));
  writer.end();
  pad.stamp(crc, header.epoch);
  const uint64_t offset = kSegmentHeaderBytes + (end_lsn - header.base_lsn);
  std::vector<iovec> content;
  pad.add_content(content);
  if (auto written = file.pwritev(content, offset); !written) {
    return tl::unexpected(written.error());
  }
  if (auto synced = file.fdatasync(); !synced) return tl::unexpected(synced.error());
  const uint64_t end = round_up(pad.end_lsn(), kBlockBytes);
  segments.add_commit(end, 0);
  return end;
}

}  // namespace millrace::buffer
