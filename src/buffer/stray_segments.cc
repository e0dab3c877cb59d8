// SPDX-License-Identifier: Apache-2.0
#include "buffer/stray_segments.h"

#include <algorithm>

#include "base/log.h"
#include "buffer/segment_file.h"

namespace millrace::buffer {
namespace {

Result<> move_aside(io::FileSystem& files, const std::string& directory, const std::string& name) {
  const std::string aside = directory + "/corrupt";
  if (auto made = files.make_directories(aside); !made) return made;
  if (auto moved = files.rename(directory + "/" + name, aside + "/" + name); !moved) return moved;
  return files.sync_directory(directory);
}

// Of two files that cannot both be segments of this log: true if `b` is the one that is not. A good
// header tells more than a name, and a name that agrees with it more than one that does not.
bool second_is_wrong(const Segment& a, const Segment& b) {
  if (a.damaged != b.damaged) return b.damaged;
  return b.name != segment_name(b.epoch, b.base_lsn);
}

}  // namespace

void put_in_order(std::vector<Segment>& segments, std::vector<StraySegment>& strays) {
  std::sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) {
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.base_lsn < b.base_lsn;
  });
  for (size_t i = 1; i < segments.size();) {
    const Segment& before = segments[i - 1];
    const bool same = before.epoch == segments[i].epoch && before.base_lsn == segments[i].base_lsn;
    if (!same && before.base_lsn <= segments[i].base_lsn) {
      ++i;
      continue;
    }
    const size_t wrong = second_is_wrong(before, segments[i]) ? i : i - 1;
    strays.push_back(
        StraySegment{.name = segments[wrong].name,
                     .file_bytes = segments[wrong].file_bytes,
                     .kind = same ? StraySegment::Kind::kCopy : StraySegment::Kind::kNoPlace});
    segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(wrong));
    i = std::max<size_t>(1, i - 1);
  }
}

Result<> move_strays(io::FileSystem& files, const std::string& directory,
                     const std::vector<StraySegment>& strays, metrics::Cells& cells) {
  for (const StraySegment& stray : strays) {
    const bool other = stray.kind == StraySegment::Kind::kOtherLog;
    log::error("buffer",
               other ? "a segment of another log was moved to corrupt/"
                     : "a segment that does not fit the others was moved to corrupt/",
               {{"directory", directory}, {"file", stray.name}});
    if (stray.kind == StraySegment::Kind::kNoPlace) {
      cells.add(metrics::Metric::kCorruptBytes, stray.file_bytes);
    }
    auto moved = move_aside(files, directory, stray.name);
    if (!moved && moved.error().kind != ErrorKind::kNoSpace) return moved;
  }
  return {};
}

}  // namespace millrace::buffer
