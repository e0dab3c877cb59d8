// SPDX-License-Identifier: Apache-2.0
// What a recovery learns from the side files: the request keys of segments that are gone.

#include <algorithm>

#include "base/log.h"
#include "buffer/recovery.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {

Result<> Recovery::read_side_files() {
  auto entries = io_.files.list(settings_.directory);
  if (!entries) return tl::unexpected(entries.error());
  std::vector<std::string> names;
  for (const io::DirectoryEntry& entry : *entries) {
    if (is_unfinished_side_file_name(entry.name)) {
      auto gone = io_.files.unlink(settings_.directory + "/" + entry.name);
      if (!gone) return gone;
    } else if (is_side_file_name(entry.name)) {
      names.push_back(entry.name);
    }
  }
  std::sort(names.begin(), names.end());  // by epoch and base_lsn, so in lsn order
  for (const std::string& name : names) {
    if (auto read = read_side_file(name); !read) return read;
  }
  return {};
}

// A bad one is removed: what it told of its segment is in the segment.
Result<> Recovery::read_side_file(const std::string& name) {
  const std::string path = settings_.directory + "/" + name;
  auto bytes = io::read_whole(io_.files, path, kSideFileBytesMax);
  if (!bytes && bytes.error().kind != ErrorKind::kInvalid) return tl::unexpected(bytes.error());
  SideFile side;
  if (!bytes || !decode(*bytes, side) || side.uuid != files_.uuid ||
      name != side_file_name(side.epoch, side.base_lsn)) {
    log::warn("buffer",
              "a side file is damaged; messages it knew may be stored twice if sent again",
              {{"path", path}});
    return io_.files.unlink(path);
  }
  files_.highest_epoch = std::max(files_.highest_epoch, side.epoch);
  proof_ = std::max(proof_, side.end_lsn);
  side_files_.push_back(SideFileSet::Known{.base_lsn = side.base_lsn,
                                           .epoch = side.epoch,
                                           .keys = side.keys.size(),
                                           .since_ms = io_.clock.running_ms()});
  // One that was cut to be removed does not hold its groups any more.
  const bool has_segment =
      std::any_of(files_.segments.begin(), files_.segments.end(), [&](const Segment& segment) {
        return segment.base_lsn == side.base_lsn && segment.epoch == side.epoch &&
               segment.end_lsn >= side.end_lsn;
      });
  if (has_segment) return {};
  for (const RequestKey& key : side.keys) {
    keep_key(key);
  }
  return {};
}

}  // namespace millrace::buffer
