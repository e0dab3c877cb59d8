// SPDX-License-Identifier: Apache-2.0
#pragma once

// What formatting one record came to. Values; any thread.

#include <cstdint>

namespace millrace::format {

enum class FormatStatus : uint8_t {
  kOk,
  kNoSpace,    // does not fit: try again with more room
  kNotMap,     // a value, but no record
  kTooDeep,    // more than kNestingMax levels, or kKeyNestingMax of containers as keys
  kTooCostly,  // too many keys, or too much work for its equal keys (json_exact.h)
  kTruncated,  // the input ends inside the record
  kMalformed,  // a byte that no MessagePack value starts with: where the next record begins is lost
};

struct FormatResult {
  FormatStatus status = FormatStatus::kOk;
  char* out_end = nullptr;           // kOk: end of the written bytes
  const char* record_end = nullptr;  // end of the value in the input; null if that is not known:
                                     // kTruncated, kMalformed
};

/// Values that were changed so that the JSON is valid, by reason.
struct ReplacedCounts {
  uint64_t invalid_utf8 = 0;  // strings, keys among them, with at least one U+FFFD put in
  uint64_t not_finite = 0;    // NaN and infinities, written as null
  uint64_t ext = 0;           // extension values without a meaning here, written as null

  void add(const ReplacedCounts& more) {
    invalid_utf8 += more.invalid_utf8;
    not_finite += more.not_finite;
    ext += more.ext;
  }
};

/// Maps and arrays inside each other, the record itself included; Fluentd's own limit.
inline constexpr int kNestingMax = 128;
/// Maps and arrays that are keys, inside each other. Each becomes a string, whose escapes the one
/// around it escapes again: the text doubles with every level, and 30 levels fit into 70 bytes.
inline constexpr int kKeyNestingMax = 4;

}  // namespace millrace::format
