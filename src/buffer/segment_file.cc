// SPDX-License-Identifier: Apache-2.0
#include "buffer/segment_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

#include "base/log.h"

namespace millrace::buffer {
namespace {

constexpr std::string_view kPrefix = "seg.";
constexpr std::string_view kSuffix = ".log";
constexpr std::string_view kSparePrefix = "spare.";

template <class T>
bool parse_hex(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

Result<> write_zeros(io::File& file, uint64_t bytes) {
  const std::vector<char> zeros(1 << 20, '\0');
  for (uint64_t at = 0; at < bytes; at += zeros.size()) {
    const size_t part = static_cast<size_t>(std::min<uint64_t>(zeros.size(), bytes - at));
    if (auto written = file.pwrite({zeros.data(), part}, at); !written) return written;
  }
  return {};
}

Result<> reserve(io::File& file, const std::string& path, uint64_t bytes) {
  auto reserved = file.allocate(bytes);
  if (!reserved && reserved.error().errno_value == EOPNOTSUPP) {
    log::warn("buffer", "the file system cannot reserve blocks, zeros are written instead",
              {{"path", path}});
    reserved = write_zeros(file, bytes);
  }
  return reserved;
}

Result<Spare> make_spare_of(io::FileSystem& files, const std::string& path, uint64_t capacity) {
  auto file = files.open(path, io::OpenMode::kCreate);
  if (!file) return tl::unexpected(file.error());
  auto made = reserve(**file, path, capacity);
  if (made) made = (*file)->fdatasync();
  if (!made) {
    (void)files.unlink(path);  // the error that counts is the first one
    return tl::unexpected(made.error());
  }
  return Spare{path, std::move(*file), capacity};
}

}  // namespace

std::string segment_name(uint32_t epoch, uint64_t base_lsn) {
  return fmt::format("{}{:08x}.{:016x}{}", kPrefix, epoch, base_lsn, kSuffix);
}

bool parse_segment_name(const std::string& name, uint32_t& epoch, uint64_t& base_lsn) {
  const std::string_view text = name;
  return text.size() == 4 + 8 + 1 + 16 + 4 && text.starts_with(kPrefix) &&
         text.ends_with(kSuffix) && text[12] == '.' && parse_hex(text.substr(4, 8), epoch) &&
         parse_hex(text.substr(13, 16), base_lsn) && epoch >= 1 && epoch <= kEpochMax &&
         base_lsn % kBlockBytes == 0 && base_lsn <= kLsnMax;
}

bool is_spare_name(const std::string& name) {
  const std::string_view prefix = kSparePrefix;
  return name.starts_with(prefix) && name.size() > prefix.size() &&
         name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

Result<Spare> make_spare(io::FileSystem& files, const std::string& directory, uint64_t number,
                         uint64_t wished_bytes, uint64_t least_bytes) {
  const std::string path = fmt::format("{}/{}{}", directory, kSparePrefix, number);
  uint64_t capacity = std::max(wished_bytes, least_bytes);
  while (true) {
    auto spare = make_spare_of(files, path, capacity);
    const bool no_space = !spare && spare.error().kind == ErrorKind::kNoSpace;
    if (!no_space || capacity == least_bytes) return spare;
    capacity = std::max(least_bytes, capacity / 2 / kBlockBytes * kBlockBytes);
  }
}

Result<> publish_segment(io::FileSystem& files, const std::string& directory, Spare& spare,
                         const SegmentHeader& header, std::span<const iovec> content) {
  uint64_t bytes = kSegmentHeaderBytes;
  for (const iovec& part : content) {
    bytes += part.iov_len;
  }
  if (bytes > spare.capacity) {
    if (auto extended = reserve(*spare.file, spare.path, bytes); !extended) return extended;
    spare.capacity = bytes;
  }
  const std::string head = encode(header);
  std::vector<iovec> parts{iovec{const_cast<char*>(head.data()), head.size()}};
  parts.insert(parts.end(), content.begin(), content.end());
  if (auto written = spare.file->pwritev(parts, 0); !written) return written;
  if (auto synced = spare.file->fdatasync(); !synced) return synced;
  const std::string path = directory + "/" + segment_name(header.epoch, header.base_lsn);
  if (auto renamed = files.rename(spare.path, path); !renamed) return renamed;
  spare.path = path;
  return files.sync_directory(directory);
}

Result<> grow_spare(Spare& spare, uint64_t bytes) {
  auto grown = reserve(*spare.file, spare.path, bytes);
  if (grown) grown = spare.file->fdatasync();
  if (grown) {
    spare.capacity = bytes;
  } else {
    (void)spare.file->truncate(spare.capacity);  // a part may have been reserved
  }
  return grown;
}

Result<> cut_to_end(io::FileSystem& files, const std::string& directory, const Segment& segment) {
  auto file = files.open(directory + "/" + segment.name, io::OpenMode::kReadWrite);
  if (!file) return tl::unexpected(file.error());
  auto cut = shrink(**file, kSegmentHeaderBytes + (segment.end_lsn - segment.base_lsn));
  return cut ? (*file)->fsync() : cut;
}

Result<> shrink(io::File& file, uint64_t bytes) {
  const auto size = file.size();
  if (!size) return tl::unexpected(size.error());
  for (uint64_t left = *size; left > bytes;) {
    left = std::max(bytes, left - std::min(left, kShrinkStepBytes));
    if (auto cut = file.truncate(left); !cut) return cut;
  }
  return {};
}

}  // namespace millrace::buffer
