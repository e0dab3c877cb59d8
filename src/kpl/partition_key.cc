// SPDX-License-Identifier: Apache-2.0
#include "kpl/partition_key.h"

#include <algorithm>

#include "base/check.h"
#include "base/utf8.h"
#include "kpl/kpl_format.h"

namespace millrace::kpl {

Result<void> check_partition_key(std::string_view key) {
  if (key.empty()) return fail(ErrorKind::kInvalid, "a partition key must not be empty");
  if (key.size() > kPartitionKeyBytesMax || !utf8_valid(key)) {
    return fail(ErrorKind::kInvalid,
                "a partition key must be UTF-8 of at most 256 characters (1024 bytes)");
  }
  // A character begins with a byte that does not continue one.
  const auto characters = static_cast<size_t>(std::count_if(
      key.begin(), key.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
  if (characters > kPartitionKeyCharactersMax) {
    return fail(ErrorKind::kInvalid, "a partition key must have at most 256 characters");
  }
  return {};
}

PartitionKey::PartitionKey(std::string fixed) : fixed_(std::move(fixed)) {
  CHECK(fixed_.empty() || check_partition_key(fixed_));
}

}  // namespace millrace::kpl
