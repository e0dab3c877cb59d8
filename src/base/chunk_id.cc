// SPDX-License-Identifier: Apache-2.0
#include "base/chunk_id.h"

#include "base/check.h"
#include "base/encoding.h"
#include "base/endian.h"

namespace millrace {

ChunkId ChunkId::make(uint64_t wall_us, const std::array<uint64_t, 2>& random) {
  ChunkId id;
  store_be<uint64_t>(id.bytes.data(), wall_us << 12 | (random[0] & 0xfff));
  store_be<uint64_t>(id.bytes.data() + 8, random[1]);
  return id;
}

ChunkId ChunkId::from_bytes(std::string_view sixteen) {
  CHECK(sixteen.size() == 16);
  ChunkId id;
  std::memcpy(id.bytes.data(), sixteen.data(), 16);
  return id;
}

std::string ChunkId::hex() const { return hex_encode(view()); }

std::string ChunkId::uuid() const {
  const std::string text = hex();
  return text.substr(0, 8) + '-' + text.substr(8, 4) + '-' + text.substr(12, 4) + '-' +
         text.substr(16, 4) + '-' + text.substr(20);
}

}  // namespace millrace
