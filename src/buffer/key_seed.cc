// SPDX-License-Identifier: Apache-2.0
#include "buffer/key_seed.h"

#include "buffer/layout.h"
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

}  // namespace

std::optional<uint64_t> find_key_seed(io::FileSystem& files,
                                      const std::vector<std::string>& directories) {
  std::optional<SegmentHeader> newest;
  for (const std::string& directory : directories) {
    const auto entries = files.list(directory);
    if (!entries) continue;
    for (const io::DirectoryEntry& entry : *entries) {
      Segment named;
      if (entry.directory || !parse_segment_name(entry.name, named.epoch, named.base_lsn)) continue;
      auto header = header_of(files, directory + "/" + entry.name);
      if (header && (!newest || header->created_us > newest->created_us)) newest = header;
    }
  }
  if (!newest) return std::nullopt;
  return newest->key_seed;
}

}  // namespace millrace::buffer
