// SPDX-License-Identifier: Apache-2.0
#pragma once

// The usual way of a record into JSON: one pass, no allocation, no recursion, everything that is
// common in line. It gives up where care is needed: keys that may be equal, keys that are not
// strings, and room that is nearly used up; JsonExact then does the record from its start. What it
// does write is byte for byte what JsonExact would write. Owned by one thread; the Injection must
// outlive it.
// Invariant: at the top of each round `out` is not beyond `soft`, which is slack before the limit;
// a round writes at most that slack, but for strings, which are checked by themselves.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/msgpack_token.h"
#include "format/format_result.h"
#include "format/injection.h"
#include "format/json_string.h"
#include "format/key_filter.h"
#include "format/key_plan.h"

namespace millrace::format {

class JsonWalk {
 public:
  /// kDone, or why the record is left to JsonExact (which also tells damage from lack of room).
  enum class Stop : uint8_t { kDone, kLookClosely };
  struct End {
    Stop stop;
    const char* in;  // kDone: end of the record
    char* out;       // kDone: end of the JSON
  };

  explicit JsonWalk(Injection& injection);

  template <Utf8Mode kMode>
  End walk(const char* in, const char* end, char* out, char* limit);

  void take_decimals(bool take) { decimals_ = take; }

  /// Of the last walk that was done.
  const ReplacedCounts& counts() const { return counts_; }

 private:
  /// Where reading and writing are; `out` null: stopped.
  struct Cursor {
    const char* in;
    char* out;
  };
  struct Input {
    const char* end;
    char* soft;
  };
  /// An open map or array.
  struct Frame {
    const KeySlot* slot = nullptr;  // the key expected next; while another frame is open inside
    uint32_t left = 0;              // elements or pairs still to come; likewise
    uint32_t first_key = 0;         // in filter_
    bool is_map = true;
    bool in_filter = false;   // the keys read so far are in filter_ and bloom; else the plan's
    KeyPlan* plan = nullptr;  // null: none, or it is not to be extended
    KeyFilter::Bloom bloom;   // in_filter
  };

  static Cursor stopped() { return {nullptr, nullptr}; }
  Cursor begin(const char* in, const char* end, char* out, uint32_t& left);
  void open(Frame& frame, bool is_map);
  void leave_plan(Frame& frame, bool unlike);
  template <Utf8Mode kMode>
  Cursor other_key(Cursor at, const Input& input, Frame& frame, bool& pair_done);
  Cursor injected(Cursor at, const char* end, std::string_view key);
  template <Utf8Mode kMode>
  Cursor other_value(Cursor at, const Input& input);
  template <Utf8Mode kMode>
  Cursor text(Cursor at, const Input& input, std::string_view text);
  char* close_record(char* out);

  Injection& injection_;
  uint32_t time_hash_;
  uint32_t tag_hash_;
  bool time_due_ = false;
  bool tag_due_ = false;
  bool decimals_ = false;
  size_t maps_begun_ = 0;
  ReplacedCounts counts_;
  KeyFilter filter_;
  std::array<Frame, kNestingMax> frames_;
  std::array<KeyPlan, kKeyPlansMax> plans_;
};

}  // namespace millrace::format
