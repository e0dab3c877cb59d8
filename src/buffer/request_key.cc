// SPDX-License-Identifier: Apache-2.0
#include "buffer/request_key.h"

#include <xxhash.h>

#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/encoding.h"
#include "base/endian.h"

namespace millrace::buffer {
namespace {

struct StateDeleter {
  void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
};

void add(XXH3_state_t* state, std::string_view bytes) {
  const uint64_t size = bytes.size();
  XXH3_128bits_update(state, &size, sizeof size);
  XXH3_128bits_update(state, bytes.data(), bytes.size());
}

RequestKey key_of(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  RequestKey key;
  static_assert(sizeof canonical == sizeof key);
  std::memcpy(key.data(), &canonical, sizeof canonical);
  return key;
}

}  // namespace

bool is_fluentd_chunk_id(std::string_view chunk) {
  return chunk.size() == 25 && chunk.back() == '\n' &&
         base64_decode(chunk.substr(0, 24)).has_value();
}

RequestKey request_key(const RequestIdentity& request, uint64_t key_seed) {
  // One state per thread: it is 576 bytes of aligned memory, too much to make anew per message.
  thread_local const std::unique_ptr<XXH3_state_t, StateDeleter> state(XXH3_createState());
  CHECK(state != nullptr);
  XXH3_128bits_reset_withSeed(state.get(), key_seed);
  add(state.get(), request.chunk);
  add(state.get(), request.tag);
  const uint64_t size = request.size_option.value_or(UINT64_MAX);
  XXH3_128bits_update(state.get(), &size, sizeof size);
  add(state.get(), request.entries);
  if (!is_fluentd_chunk_id(request.chunk)) add(state.get(), request.peer);
  return key_of(XXH3_128bits_digest(state.get()));
}

RequestKey part_key(const RequestKey& whole, uint64_t offset, uint64_t size) {
  char bytes[sizeof whole + 16];
  std::memcpy(bytes, whole.data(), sizeof whole);
  store_be<uint64_t>(bytes + sizeof whole, offset);
  store_be<uint64_t>(bytes + sizeof whole + 8, size);
  return key_of(XXH3_128bits(bytes, sizeof bytes));
}

}  // namespace millrace::buffer
