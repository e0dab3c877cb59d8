// SPDX-License-Identifier: Apache-2.0
#include "kpl/aggregate_head.h"

#include "base/check.h"
#include "kpl/kpl_format.h"

namespace millrace::kpl {
namespace {

// The entry that no record refers to, so that the key's index is 1.
constexpr std::string_view kFluentdEntry = "\x0a\x01\x61";

}  // namespace

PayloadFormat AggregateHead::payload_format() const {
  return key_index() == 0 ? PayloadFormat::kFragmentsIndex0 : PayloadFormat::kFragmentsIndex1;
}

size_t AggregateHead::size(size_t key_bytes) const {
  return kMagic.size() + (key_index() == 0 ? 0 : kFluentdEntry.size()) + 1 +
         varint_size(key_bytes) + key_bytes;
}

std::string AggregateHead::bytes(std::string_view key) const {
  CHECK(key.size() <= kPartitionKeyBytesMax);
  char table[16] = {};
  table[0] = kTagPartitionKey;
  char* const end = put_varint(table + 1, key.size());
  std::string head(kMagic);
  if (key_index() != 0) head += kFluentdEntry;
  head.append(table, static_cast<size_t>(end - table)).append(key);
  CHECK(head.size() == size(key.size()));
  return head;
}

size_t AggregateHead::counted_size(size_t body_bytes, size_t key_bytes) const {
  return size(key_bytes) + body_bytes + kDigestBytes + key_bytes;
}

size_t AggregateHead::body_bytes_max(size_t record_limit, size_t key_bytes) const {
  const size_t fixed = counted_size(0, key_bytes);
  return record_limit > fixed ? record_limit - fixed : 0;
}

}  // namespace millrace::kpl
