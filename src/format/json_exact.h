// SPDX-License-Identifier: Apache-2.0
#pragma once

// The careful way of a record into JSON, for what JsonWalk gives up on: equal keys (the last value
// at the first place, in nested maps too), keys that are not strings (Ruby's to_s; maps and arrays
// as their own JSON text), and room that is nearly used up: here every byte is checked. Recursive,
// at most kNestingMax deep. Owned by one thread; the Injection must outlive it.
// Invariant: what is read has been walked before, so it is whole and well formed.

#include "base/msgpack_token.h"
#include "format/format_result.h"
#include "format/injection.h"
#include "format/json_string.h"
#include "format/key_table.h"

namespace millrace::format {

/// Resolving equal keys may read each byte of a record this often, plus a grant that makes small
/// records always possible. Without a bound, deep nesting would cost its depth times its size.
inline constexpr uint64_t kExactWorkPerByte = 4;
inline constexpr uint64_t kExactWorkGrant = 4ULL << 20;
/// Distinct keys of a record that are held at once, those of the maps around included. Each takes
/// five bytes of JSON or more ("":0,), so a record with more than this is larger than any Kinesis
/// record. Without a bound, the table leaves the caches and a message stalls its loop for seconds.
inline constexpr size_t kExactKeysMax = size_t{1} << 18;

class JsonExact {
 public:
  explicit JsonExact(Injection& injection) : injection_(injection) {}

  /// Writes the record between `in` and `record_end`, which must be a map, as one JSON object.
  FormatResult record(const char* in, const char* record_end, Utf8Mode mode, char* out,
                      char* limit);

  void take_decimals(bool take) { decimals_ = take; }

  /// Of the last record that came to kOk.
  const ReplacedCounts& counts() const { return counts_; }

 private:
  using Token = msgpack_token::Token;

  bool value(const char*& in, int depth);
  bool array(const char*& in, uint32_t count, int depth);
  bool map(const char*& in, uint32_t count, int depth);
  bool pair(KeyTable::Pair pair, int depth);
  bool key(const char* in, int depth);
  bool container_key(const char* in, int depth);
  bool injected(const KeyTable::Pair& pair, bool& done);
  bool put(std::string_view bytes);
  bool put_text(std::string_view text);
  bool close(char bracket);
  bool stop(FormatStatus why) {
    stop_ = why;
    return false;
  }

  Injection& injection_;
  KeyTable keys_;
  Utf8Mode mode_ = Utf8Mode::kValid;
  const char* end_ = nullptr;
  char* begin_ = nullptr;
  char* out_ = nullptr;
  char* limit_ = nullptr;
  bool time_due_ = false;
  bool tag_due_ = false;
  bool decimals_ = false;
  int key_depth_ = 0;  // containers that are keys, around what is being written
  FormatStatus stop_ = FormatStatus::kOk;
  ReplacedCounts counts_;
};

}  // namespace millrace::format
