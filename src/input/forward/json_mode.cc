// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_mode.h"

namespace millrace::input {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Of a literal; what is longer is looked at again with each read.
constexpr size_t kTagBytesMax = size_t{64} << 10;

}  // namespace

void JsonSplitter::reset() {
  at_ = 0;
  depth_ = 0;
  in_string_ = false;
  escaped_ = false;
  complete_ = false;
}

JsonSplitter::Status JsonSplitter::scan(std::string_view bytes) {
  if (complete_) return Status::kValue;
  const char first = bytes[0];
  Status status = Status::kNeedMore;
  if (first == '[' || first == '{') {
    status = scan_value(bytes);
  } else if (is_blank(first)) {
    status = scan_blank(bytes);
  } else {
    status = scan_scalar(bytes);
  }
  const bool too_large = at_ > frame_limit_ || (status == Status::kNeedMore && at_ == frame_limit_);
  return too_large && status != Status::kBlank ? Status::kTooLarge : status;
}

JsonSplitter::Status JsonSplitter::scan_value(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      if (c == '"') in_string_ = false;
      if (c == '\\') escaped_ = true;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '[' || c == '{') {
      if (++depth_ > kDepthMax) return Status::kMalformed;
    } else if ((c == ']' || c == '}') && --depth_ == 0) {
      ++at_;
      complete_ = true;
      return Status::kValue;
    }
  }
  return Status::kNeedMore;
}

JsonSplitter::Status JsonSplitter::scan_blank(std::string_view bytes) {
  for (at_ = 0; at_ < bytes.size() && is_blank(bytes[at_]);) ++at_;
  return Status::kBlank;
}

// Only null is of use, and only it need be whole.
JsonSplitter::Status JsonSplitter::scan_scalar(std::string_view bytes) {
  constexpr std::string_view kNull = "null";
  if (bytes[0] != 'n') {
    const bool begins = bytes[0] == '"' || bytes[0] == '-' || bytes[0] == 't' || bytes[0] == 'f' ||
                        (bytes[0] >= '0' && bytes[0] <= '9');
    return begins ? Status::kNotMessage : Status::kMalformed;
  }
  const std::string_view begin = bytes.substr(0, kNull.size());
  if (begin != kNull.substr(0, begin.size())) return Status::kMalformed;
  at_ = begin.size();
  return begin.size() == kNull.size() ? Status::kNull : Status::kNeedMore;
}

std::optional<std::string_view> json_first_string(std::string_view begun) {
  begun = begun.substr(0, kTagBytesMax);
  if (begun.empty() || begun[0] != '[') return std::nullopt;
  size_t begin = 1;
  while (begin < begun.size() && is_blank(begun[begin])) ++begin;
  if (begin == begun.size() || begun[begin] != '"') return std::nullopt;
  for (size_t at = begin + 1; at < begun.size(); ++at) {
    if (begun[at] == '"') return begun.substr(begin, at + 1 - begin);
    if (begun[at] == '\\') ++at;
  }
  return std::nullopt;
}

}  // namespace millrace::input
