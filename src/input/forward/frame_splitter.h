// SPDX-License-Identifier: Apache-2.0
#pragma once

// FrameSplitter: finds where one top-level MessagePack value, a frame, ends in bytes that are still
// arriving. It goes on where it stopped and never looks at a byte twice, whatever the pieces. It
// notes where the first elements of a top-level array begin, so that nobody walks them again. Only
// sizes matter here: nesting costs a counter, nothing is recursive, nothing is allocated.
// Invariant: begin of unread header + values still to come <= frame limit, so a declared length or
// count over the limit is told at once. Belongs to one connection.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::input {

/// Where the elements of a top-level array lie, in bytes from the frame's begin.
struct FrameLayout {
  static constexpr uint32_t kStartsMax = 5;
  bool is_array = false;
  uint32_t count = 0;                         // elements declared
  uint64_t size = 0;                          // of the whole frame
  std::array<uint64_t, kStartsMax> starts{};  // of the first elements; only min(count, 5) count

  /// Element `index`, with all it contains. index < count, and index < 4.
  std::string_view element(std::string_view frame, uint32_t index) const {
    const uint64_t begin = starts[index];
    const uint64_t end = index + 1 < count ? starts[index + 1] : size;
    return frame.substr(begin, end - begin);
  }
};

class FrameSplitter {
 public:
  enum class Status : uint8_t { kFrame, kNeedMore, kMalformed, kTooLarge };

  /// A frame of more than `frame_limit` bytes is kTooLarge.
  explicit FrameSplitter(uint64_t frame_limit) : frame_limit_(frame_limit) {}

  /// `bytes` begins at the frame's first byte and holds all that has arrived since, so it only
  /// grows from call to call. kFrame: layout() is complete, the frame is its first layout().size
  /// bytes. Further calls say the same until reset(), but for kNeedMore.
  Status scan(std::string_view bytes);
  /// For the next frame.
  void reset();

  const FrameLayout& layout() const { return layout_; }
  /// After kNeedMore: the frame is not shorter than this.
  uint64_t bytes_needed() const { return at_ + values_left_; }

 private:
  uint64_t frame_limit_;
  uint64_t at_ = 0;           // where the next header is; behind the end of `bytes` within a str
  uint64_t values_left_ = 1;  // headers still to be read
  uint64_t boundary_ = 0;     // values_left_ when the next top-level element begins
  FrameLayout layout_;
};

}  // namespace millrace::input
