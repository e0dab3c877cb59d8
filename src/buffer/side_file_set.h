// SPDX-License-Identifier: Apache-2.0
#pragma once

// SideFileSet: the side files of a log on disk. It writes that of a segment that was left, and
// unlinks one when its segment is gone and its keys have left the key table, by age or because
// newer ones fill it. Invariant: a side file under its final name is whole; it is durable when
// write() has returned. Housekeeping thread. What the constructor takes must outlive it.

#include <cstdint>
#include <string>
#include <vector>

#include "buffer/segment_set.h"
#include "buffer/side_file.h"
#include "io/io.h"

namespace millrace::buffer {

class SideFileSet {
 public:
  struct Known {
    uint64_t base_lsn = 0;
    uint32_t epoch = 0;
    size_t keys = 0;
    uint64_t since_ms = 0;  // running time from which the window counts
  };

  /// `found`: what lies in the directory at start, in lsn order. `window_ms` 0: keys are not kept,
  /// and a side file goes with its segment.
  SideFileSet(io::Io io, std::string directory, std::string uuid, uint64_t window_ms,
              std::vector<Known> found);

  /// Writes the side file of `segment`, which is cut to its end, unless this process has done so.
  /// On an error, `keys` is how many are not remembered after a restart when the segment goes.
  Result<> write(const Segment& segment, size_t& keys);
  /// Unlinks what is not needed any more.
  void tend(const SegmentSet& segments);

  size_t count() const { return files_.size(); }

 private:
  struct File {
    Known known;
    bool written = false;  // by this process
  };

  File& file_of(const Segment& segment);
  Result<SideFile> content_of(const Segment& segment);
  std::string path_of(const Known& known) const;

  io::Io io_;
  const std::string directory_;
  const std::string uuid_;
  const uint64_t window_ms_;
  std::vector<File> files_;  // in lsn order
};

}  // namespace millrace::buffer
