// SPDX-License-Identifier: Apache-2.0
// Any bytes as a side file, with its length and CRC made right so that the search gets past them:
// what is read fits into the file, and written again it reads the same. First byte 'W': the rest
// tells what a log holds and where one segment of it is damaged; its side file tells all that holds
// and nothing else, in the bytes that the format asks for, and reads as it was written.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/endian.h"
#include "buffer/side_file.h"
#include "tests/fuzz/known_side_file.h"
#include "tests/fuzz/log_story.h"
#include "tests/support/memory_files.h"
#include "tests/support/side_file_bytes.h"

namespace {

using namespace millrace;
using buffer::SideFile;

// The length, and the CRC over the uuid that the bytes name.
void make_right(std::string& bytes) {
  if (bytes.size() < 68) return;
  store_le<uint64_t>(bytes.data() + 56, bytes.size());
  const std::string_view covered = std::string_view(bytes).substr(0, bytes.size() - 4);
  store_le<uint32_t>(bytes.data() + covered.size(),
                     buffer::LogCrc::of(covered.substr(8, 16))(covered));
}

void check_same(const SideFile& a, const SideFile& b) {
  CHECK(a.uuid == b.uuid && a.base_lsn == b.base_lsn && a.end_lsn == b.end_lsn);
  CHECK(a.epoch == b.epoch && a.damaged == b.damaged && a.keys == b.keys);
  CHECK(a.chunks.size() == b.chunks.size());
  for (size_t i = 0; i < a.chunks.size(); ++i) {
    const SideFile::Chunk& one = a.chunks[i];
    const SideFile::Chunk& other = b.chunks[i];
    CHECK(one.seq == other.seq && one.id == other.id && one.open_lsn == other.open_lsn);
    CHECK(one.seal_lsn == other.seal_lsn && one.frame_bytes == other.frame_bytes);
    CHECK(one.frames.size() == other.frames.size());
    for (size_t j = 0; j < one.frames.size(); ++j) {
      const SideFile::Frame& frame = one.frames[j];
      const SideFile::Frame& same = other.frames[j];
      CHECK(frame.lsn == same.lsn && frame.frame_no == same.frame_no);
      CHECK(frame.payload_bytes == same.payload_bytes && frame.records == same.records);
      CHECK(frame.header_crc == same.header_crc);
    }
  }
}

SideFile scanned(const testing::DamagedSegment& there) {
  testing::MemoryFileSystem files;
  files.put("/segment", there.file());
  auto file = std::move(*files.open("/segment", io::OpenMode::kRead));
  const buffer::Segment segment{.base_lsn = there.base_lsn(),
                                .epoch = there.written().header().epoch,
                                .name = "segment",
                                .end_lsn = there.end_lsn(),
                                .file_bytes = there.file().size()};
  auto side = buffer::scan(*file, segment, testing::LogStory::kUuid);
  CHECK(side);
  return std::move(*side);
}

void judge_story(testing::Choices choices) {
  testing::Choices fault(choices.take(12));
  const size_t chosen = choices.below(8);
  const uint64_t at = choices.number(4);
  const uint8_t flip = static_cast<uint8_t>(1 + choices.below(255));
  testing::LogStory story(choices);
  testing::DamagedSegment segment(story.segments[chosen % story.segments.size()], 0);
  segment.damage(fault);
  const SideFile expected = testing::side_file_of(segment);
  check_same(scanned(segment), expected);

  std::string bytes = testing::side_file_bytes(expected);
  CHECK(buffer::encode(expected) == bytes);
  SideFile read;
  CHECK(buffer::decode(bytes, read));
  check_same(read, expected);
  CHECK(!buffer::decode(std::string_view(bytes).substr(0, at % bytes.size()), read));
  CHECK(!buffer::decode(bytes + static_cast<char>(flip), read));
  bytes[at % bytes.size()] ^= static_cast<char>(flip);
  CHECK(!buffer::decode(bytes, read));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] == testing::kTells) {
    judge_story(testing::Choices({reinterpret_cast<const char*>(data) + 1, size - 1}));
    return 0;
  }
  std::string bytes(reinterpret_cast<const char*>(data), size);
  SideFile side;
  const bool as_it_came = buffer::decode(bytes, side);
  make_right(bytes);
  if (!buffer::decode(bytes, side)) {
    CHECK(!as_it_came);
    return 0;
  }
  size_t items = side.chunks.size() * 56 + side.keys.size() * 16;
  for (const SideFile::Chunk& chunk : side.chunks) items += chunk.frames.size() * 24;
  CHECK(items + 68 == bytes.size());
  const std::string again = buffer::encode(side);
  SideFile same;
  CHECK(again.size() == bytes.size() && buffer::decode(again, same));
  CHECK(buffer::encode(same) == again);
  std::string damaged = again;
  damaged[size % damaged.size()] ^= 1;
  CHECK(!buffer::decode(damaged, same));
  return 0;
}
