// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a MessagePack value ends and what FrameSplitter has to say of it, as msgpack-c sees it. For
// tests that compare ours with it; shares no code with the product. Slow: it looks at all bytes
// again each time, and copies those that are not whole.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msgpack.hpp>
#include <string>
#include <string_view>

#include "input/forward/frame_splitter.h"

namespace millrace::testing {

/// What begins a text of bytes.
struct Judged {
  enum class Kind : uint8_t { kWhole, kCut, kMalformed };
  Kind kind = Kind::kCut;
  size_t size = 0;  // kWhole: of the value; kMalformed: of what stands before the wrong byte
};

inline Judged judge_value(std::string_view bytes) {
  struct Visitor : msgpack::null_visitor {
    Judged judged;
    void parse_error(size_t, size_t offset) { judged = {Judged::Kind::kMalformed, offset}; }
  } visitor;
  size_t end = 0;
  if (!msgpack::parse(bytes.data(), bytes.size(), end, visitor)) return visitor.judged;
  return {Judged::Kind::kWhole, end};
}

/// The least bytes of a value that begins with `bytes`, which are not whole: all that is missing is
/// zero, that is small integers, lengths of nothing and bytes of strings. UINT64_MAX: above
/// `limit`.
inline uint64_t shortest_value(std::string_view bytes, uint64_t limit) {
  std::string filled(bytes);
  filled.resize(bytes.size() + limit + 1);
  const Judged judged = judge_value(filled);
  return judged.kind == Judged::Kind::kWhole && judged.size <= limit ? judged.size : UINT64_MAX;
}

/// The verdict on the bytes of a connection.
struct JudgedFrame {
  using Status = input::FrameSplitter::Status;

  Status status = Status::kNeedMore;
  uint64_t size = 0;        // kFrame
  uint64_t needed_min = 0;  // kNeedMore, and kTooLarge while a header has not all come: what
  uint64_t needed_max = 0;  // bytes_needed() must and can know of the frame's least size
  bool either = false;      // such a kTooLarge: also kNeedMore

  bool allows(Status other) const {
    return other == status || (either && other == Status::kNeedMore);
  }
};

inline JudgedFrame judge_frame(std::string_view bytes, uint64_t limit) {
  using Status = JudgedFrame::Status;
  const Judged value = judge_value(bytes);
  JudgedFrame out;
  if (value.kind == Judged::Kind::kWhole) {
    out.status = value.size > limit ? Status::kTooLarge : Status::kFrame;
    out.size = value.size;
  } else if (value.kind == Judged::Kind::kMalformed) {
    const bool told_before = shortest_value(bytes.substr(0, value.size), limit) > limit;
    out.status = told_before ? Status::kTooLarge : Status::kMalformed;
  } else {
    constexpr size_t kHeaderBegunMax = 8;  // all but one byte of a float64
    const size_t before = bytes.size() - std::min(bytes.size(), kHeaderBegunMax);
    out.needed_min = shortest_value(bytes.substr(0, before), limit);
    out.needed_max = shortest_value(bytes, limit);
    out.status = out.needed_max > limit ? Status::kTooLarge : Status::kNeedMore;
    out.either = out.needed_min <= limit;
  }
  return out;
}

/// As judge_value, of bytes that nothing follows: where fewer are left than values are declared, a
/// wrong byte among them does not count.
inline Judged judge_last_value(std::string_view bytes) {
  using Status = JudgedFrame::Status;
  const Status status = judge_frame(bytes, bytes.size()).status;
  const bool is_cut = status == Status::kNeedMore || status == Status::kTooLarge;
  return is_cut ? Judged{} : judge_value(bytes);
}

}  // namespace millrace::testing
