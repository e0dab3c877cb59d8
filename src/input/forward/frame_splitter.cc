// SPDX-License-Identifier: Apache-2.0
#include "input/forward/frame_splitter.h"

#include <algorithm>

#include "base/endian.h"

namespace millrace::input {
namespace {

// What a header with lead byte c0 to df says of its value.
struct Lead {
  uint8_t header = 0;        // bytes of the header; 0: no value starts so
  uint8_t length_bytes = 0;  // width of the big-endian length behind the lead byte, 0: none
  uint8_t body = 0;          // bytes behind the header if there is no length
  uint8_t children = 0;      // values per unit of the length, 0: the length counts bytes
};

// MessagePack specification, "Overview" of the formats, rows c0 to df.
constexpr std::array<Lead, 32> kLeads = {{
    {1, 0, 0, 0},  {0, 0, 0, 0}, {1, 0, 0, 0}, {1, 0, 0, 0},  // nil, (never used), false, true
    {2, 1, 0, 0},  {3, 2, 0, 0}, {5, 4, 0, 0},                // bin 8, 16, 32
    {3, 1, 0, 0},  {4, 2, 0, 0}, {6, 4, 0, 0},                // ext 8, 16, 32
    {5, 0, 0, 0},  {9, 0, 0, 0},                              // float 32, 64
    {2, 0, 0, 0},  {3, 0, 0, 0}, {5, 0, 0, 0}, {9, 0, 0, 0},  // uint 8, 16, 32, 64
    {2, 0, 0, 0},  {3, 0, 0, 0}, {5, 0, 0, 0}, {9, 0, 0, 0},  // int 8, 16, 32, 64
    {2, 0, 1, 0},  {2, 0, 2, 0}, {2, 0, 4, 0}, {2, 0, 8, 0},  // fixext 1, 2, 4, 8
    {2, 0, 16, 0},                                            // fixext 16
    {2, 1, 0, 0},  {3, 2, 0, 0}, {5, 4, 0, 0},                // str 8, 16, 32
    {3, 2, 0, 1},  {5, 4, 0, 1}, {3, 2, 0, 2}, {5, 4, 0, 2},  // array 16, 32, map 16, 32
}};

uint64_t load_length(const char* at, uint8_t width) {
  if (width == 1) return static_cast<uint8_t>(*at);
  if (width == 2) return load_be<uint16_t>(at);
  return load_be<uint32_t>(at);
}

// The value whose lead byte, c0 to df, begins `bytes`: its own size, how many values it contains.
// kFrame: both are known.
inline FrameSplitter::Status measure_tagged(std::string_view bytes, uint64_t& size,
                                            uint64_t& children, bool& is_array) {
  const Lead& form = kLeads[static_cast<uint8_t>(bytes[0]) - 0xc0];
  if (form.header == 0) return FrameSplitter::Status::kMalformed;
  if (bytes.size() < form.header) return FrameSplitter::Status::kNeedMore;
  size = uint64_t{form.header} + form.body;
  if (form.length_bytes == 0) return FrameSplitter::Status::kFrame;
  const uint64_t length = load_length(bytes.data() + 1, form.length_bytes);
  children = length * form.children;
  if (form.children == 0) size += length;
  is_array = form.children == 1;
  return FrameSplitter::Status::kFrame;
}

}  // namespace

void FrameSplitter::reset() {
  at_ = 0;
  values_left_ = 1;
  boundary_ = 0;
  layout_ = FrameLayout{};
}

FrameSplitter::Status FrameSplitter::scan(std::string_view bytes) {
  const uint64_t size = bytes.size();
  // Locals, because the compiler cannot know that `bytes` is not this object. Branches by kind, not
  // one table: entries repeat their shape, so the processor guesses the branches and need not wait
  // for each size before it reads the next byte.
  uint64_t at = at_;
  uint64_t left = values_left_;
  uint64_t boundary = boundary_;
  Status status = Status::kNeedMore;

  while (left > 0) {
    if (left == boundary) {
      const uint64_t index = layout_.count - boundary;
      if (index < FrameLayout::kStartsMax) layout_.starts[index] = at;
      --boundary;
    }
    if (at >= size) break;
    const auto lead = static_cast<uint8_t>(bytes[at]);
    uint64_t passed = 1;
    uint64_t children = 0;
    bool is_array = false;
    if (lead < 0x80 || lead >= 0xe0) {
      // a small integer
    } else if (lead < 0x90) {
      children = 2 * (lead & 0x0fU);
    } else if (lead < 0xa0) {
      children = lead & 0x0fU;
      is_array = true;
    } else if (lead < 0xc0) {
      passed += lead & 0x1fU;
    } else {
      status = measure_tagged({bytes.data() + at, size - at}, passed, children, is_array);
      if (status != Status::kFrame) break;
      status = Status::kNeedMore;
    }
    if (at == 0 && is_array) {
      layout_.is_array = true;
      layout_.count = static_cast<uint32_t>(children);
      boundary = children;
    }
    at += passed;
    left += children - 1;
    if (at + left > frame_limit_) return Status::kTooLarge;
  }
  at_ = at;
  values_left_ = left;
  boundary_ = boundary;
  if (status != Status::kNeedMore || left > 0 || at > size) return status;
  layout_.size = at;
  return Status::kFrame;
}

}  // namespace millrace::input
