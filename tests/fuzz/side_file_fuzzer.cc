// SPDX-License-Identifier: Apache-2.0
// Any bytes as a side file, with its length and CRC made right so that the search gets past them:
// what is read fits into the file, and written again it reads the same.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/endian.h"
#include "buffer/side_file.h"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
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
