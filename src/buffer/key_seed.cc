// SPDX-License-Identifier: Apache-2.0
#include "buffer/key_seed.h"

#include <algorithm>

#include "buffer/layout.h"
#include "buffer/position_line.h"
#include "buffer/segment_file.h"
#include "buffer/segment_set.h"

namespace millrace::buffer {
namespace {

std::optional<SegmentHeader> header_of(io::FileSystem& files, const std::string& path) {
  auto file = files.open(path, io::OpenMode::kRead);
  if (!file) return std::nullopt;
  std::string bytes(kSegmentHeaderBytes, '\0');
  const auto got = (*file)->pread(bytes.data(), bytes.size(), 0);
  if (!got || *got < bytes.size()) return std::nullopt;
  SegmentHeader header;
  if (decode(bytes, header) != HeaderState::kValid) return std::nullopt;
  return header;
}

// The log's own, if its position file tells it.
std::string uuid_of(io::FileSystem& files, const std::string& directory) {
  const auto file = files.open(directory + "/chunks.pos", io::OpenMode::kRead);
  if (!file) return {};
  std::string bytes(kPositionHeaderBytes, '\0');
  const auto got = (*file)->pread(bytes.data(), bytes.size(), 0);
  PositionHeader header;
  return got && *got == bytes.size() && decode(bytes, header) ? header.uuid : std::string();
}

// Headers of a log's segments. Files of another log may have been copied there: if any header is of
// this one, only such count.
std::vector<SegmentHeader> headers_in(io::FileSystem& files, const std::string& directory,
                                      size_t& unreadable) {
  std::vector<SegmentHeader> headers;
  const auto entries = files.list(directory);
  if (!entries) return headers;
  for (const io::DirectoryEntry& entry : *entries) {
    Segment named;
    if (entry.directory || !parse_segment_name(entry.name, named.epoch, named.base_lsn)) continue;
    if (auto header = header_of(files, directory + "/" + entry.name)) {
      headers.push_back(std::move(*header));
    } else {
      ++unreadable;
    }
  }
  const std::string own = uuid_of(files, directory);
  const auto foreign = [&own](const SegmentHeader& header) { return header.uuid != own; };
  if (!std::all_of(headers.begin(), headers.end(), foreign)) std::erase_if(headers, foreign);
  return headers;
}

}  // namespace

FoundKeySeed find_key_seed(io::FileSystem& files, const std::vector<std::string>& directories) {
  FoundKeySeed found;
  std::optional<SegmentHeader> newest;
  for (const std::string& directory : directories) {
    for (SegmentHeader& header : headers_in(files, directory, found.unreadable)) {
      if (header.key_seed == kNoKeySeed) continue;
      if (!newest || header.created_us > newest->created_us) newest = std::move(header);
    }
  }
  if (newest) found.seed = newest->key_seed;
  return found;
}

}  // namespace millrace::buffer
