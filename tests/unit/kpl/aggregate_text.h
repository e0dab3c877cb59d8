// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whole aggregated records for tests: put together as the way out does it, from head, body and MD5.

#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/encoding.h"
#include "kpl/aggregate_head.h"
#include "kpl/kpl_format.h"
#include "kpl/record_encoder.h"

namespace millrace::kpl {

inline std::string fragment(std::string_view data, uint32_t index = 0) {
  char header[kFragmentHeaderBytesMax];
  return std::string(header, put_fragment_header(header, data.size(), index)).append(data);
}

/// `message` is the protobuf part.
inline std::string enveloped(std::string_view message) {
  const Md5Bytes digest = md5(message);
  return std::string(kMagic).append(message).append(reinterpret_cast<const char*>(digest.data()),
                                                    digest.size());
}

inline std::string aggregate(const AggregateHead& head, std::string_view key,
                             std::string_view body) {
  const std::string bytes = head.bytes(key).append(body);
  return enveloped(std::string_view(bytes).substr(kMagic.size()));
}

}  // namespace millrace::kpl
