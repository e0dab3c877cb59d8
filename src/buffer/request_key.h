// SPDX-License-Identifier: Apache-2.0
#pragma once

// RequestKey: 128 bits that name the content of one forward message, written into its group so that
// a message sent again after a lost ack can be told. Made of the chunk id, the tag and the bytes of
// the entries; of the peer too unless the id is one of Fluentd's own, which it keeps when it sends
// again over another connection. Does not look anything up. A value; any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::buffer {

using RequestKey = std::array<char, 16>;

struct RequestIdentity {
  std::string_view chunk;  // option `chunk` as received
  std::string_view tag;
  std::optional<uint64_t> size_option;
  std::string_view entries;  // decompressed
  std::string_view peer;
};

/// True for Fluentd's own ids: base64 of 16 bytes with a line feed, 25 characters
/// (lib/fluent/plugin/out_forward.rb).
bool is_fluentd_chunk_id(std::string_view chunk);

RequestKey request_key(const RequestIdentity& request, uint64_t key_seed);

/// Of `size` bytes of the entries, from `offset` on, of the message that has the key `whole`.
RequestKey part_key(const RequestKey& whole, uint64_t offset, uint64_t size);

}  // namespace millrace::buffer
