// SPDX-License-Identifier: Apache-2.0
#pragma once

// How many bytes of each segment are still needed, counted anew from the frames and lines on disk,
// one by one, the way the format says and the log's own account does not. Reads only.

#include <map>
#include <string>

#include "base/check.h"
#include "buffer/chunk_frames.h"
#include "buffer/log_files.h"
#include "buffer/segment_scanner.h"

namespace millrace::testing {

class LiveRecount {
 public:
  /// Live bytes by base_lsn; segments without any are left out.
  static std::map<uint64_t, uint64_t> of(io::FileSystem& files, const std::string& directory) {
    auto found = buffer::look(files, directory);
    CHECK(found.has_value());
    LiveRecount recount;
    for (const buffer::Segment& segment : found->segments) {
      auto file = files.open(directory + "/" + segment.name, io::OpenMode::kRead);
      CHECK(file.has_value());
      buffer::SegmentScanner scanner(**file, buffer::LogCrc::of(found->uuid), segment.base_lsn,
                                     segment.end_lsn, segment.epoch);
      while (scanner.lsn() < segment.end_lsn) {
        auto group = scanner.next(true);
        CHECK(group.has_value());
        if (!*group) break;
        for (const buffer::ScannedFrame& frame : (*group)->frames) {
          recount.add(scanner, frame, segment.base_lsn);
        }
      }
    }
    for (const auto& [seq, line] : found->position.finished) recount.chunks_.erase(seq);
    return recount.sums();
  }

 private:
  struct Copy {
    uint64_t base_lsn = 0;
    uint64_t bytes = 0;
  };
  struct Chunk {
    std::map<uint32_t, std::map<uint64_t, Copy>> data;  // by frame_no, then lsn
    std::map<uint64_t, Copy> seals;                     // by lsn
    std::vector<uint64_t> listed;                       // by the last of them
  };

  void add(buffer::SegmentScanner& scanner, const buffer::ScannedFrame& frame, uint64_t base_lsn) {
    Chunk& chunk = chunks_[frame.header.chunk_seq];
    const Copy copy{base_lsn, frame.header.padded_bytes()};
    if (frame.header.kind == buffer::FrameKind::kData) {
      chunk.data[frame.header.frame_no][frame.lsn] = copy;
    } else if (frame.header.kind == buffer::FrameKind::kSeal) {
      auto payload = scanner.payload(frame);
      buffer::SealPayload seal;
      CHECK(payload && *payload && buffer::decode(**payload, seal));
      chunk.seals[frame.lsn] = copy;
      if (chunk.seals.rbegin()->first == frame.lsn) chunk.listed = seal.frame_lsns;
    }
  }

  std::map<uint64_t, uint64_t> sums() const {
    std::map<uint64_t, uint64_t> sums;
    const auto count = [&](const Copy& copy) { sums[copy.base_lsn] += copy.bytes; };
    for (const auto& [seq, chunk] : chunks_) {
      if (!chunk.seals.empty()) count(chunk.seals.rbegin()->second);
      for (const auto& [frame_no, copies] : chunk.data) {
        if (chunk.seals.empty()) {
          count(copies.rbegin()->second);
        } else if (const auto copy = copies.find(chunk.listed.at(frame_no - 1));
                   copy != copies.end()) {
          count(copy->second);
        }
      }
    }
    return sums;
  }

  std::map<uint64_t, Chunk> chunks_;
};

}  // namespace millrace::testing
