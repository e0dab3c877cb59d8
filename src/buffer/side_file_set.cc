// SPDX-License-Identifier: Apache-2.0
#include "buffer/side_file_set.h"

#include <algorithm>

#include "buffer/key_table.h"

namespace millrace::buffer {

SideFileSet::SideFileSet(io::Io io, std::string directory, std::string uuid, uint64_t window_ms,
                         std::vector<Known> found)
    : io_(io), directory_(std::move(directory)), uuid_(std::move(uuid)), window_ms_(window_ms) {
  for (const Known& known : found) files_.push_back(File{.known = known});
}

std::string SideFileSet::path_of(const Known& known) const {
  return directory_ + "/" + side_file_name(known.epoch, known.base_lsn);
}

SideFileSet::File& SideFileSet::file_of(const Segment& segment) {
  const auto place = std::find_if(files_.begin(), files_.end(), [&](const File& file) {
    return file.known.base_lsn >= segment.base_lsn && file.known.epoch >= segment.epoch;
  });
  if (place != files_.end() && place->known.base_lsn == segment.base_lsn &&
      place->known.epoch == segment.epoch) {
    return *place;
  }
  return *files_.insert(place,
                        File{.known = Known{.base_lsn = segment.base_lsn, .epoch = segment.epoch}});
}

// What an earlier life wrote may not be on disk, but what it says is true; and it says more than a
// segment that was cut to be removed.
Result<SideFile> SideFileSet::content_of(const Segment& segment) {
  if (auto side = read_side_file(io_.files, directory_, segment, uuid_)) return std::move(*side);
  auto file = io_.files.open(directory_ + "/" + segment.name, io::OpenMode::kRead);
  if (!file) return tl::unexpected(file.error());
  return scan(**file, segment, uuid_);
}

Result<> SideFileSet::write(const Segment& segment, size_t& keys) {
  keys = 0;
  File& file = file_of(segment);
  if (file.written) return {};
  auto side = content_of(segment);
  if (!side) return tl::unexpected(side.error());
  keys = side->keys.size();
  file.known.keys = keys;
  file.known.since_ms = io_.clock.running_ms();
  auto written = io::write_whole(io_.files, path_of(file.known), encode(*side));
  if (written) written = io_.files.sync_directory(directory_);
  file.written = written.has_value();
  return written;
}

void SideFileSet::tend(const SegmentSet& segments) {
  const uint64_t now = io_.clock.running_ms();
  size_t newer_keys = 0;
  for (size_t i = files_.size(); i-- > 0;) {
    const Known known = files_[i].known;
    const bool known_still =
        newer_keys < KeyTable::kEntriesMax && known.keys > 0 && now - known.since_ms < window_ms_;
    newer_keys += known.keys;
    if (known_still || segments.holds(known.base_lsn, known.epoch)) continue;
    // One that cannot be unlinked is found at the next start, and asked about again.
    (void)io_.files.unlink(path_of(known));
    files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

}  // namespace millrace::buffer
