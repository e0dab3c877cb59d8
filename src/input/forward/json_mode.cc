// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_mode.h"

namespace millrace::input {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

bool is_plain(char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; }

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

std::optional<std::string_view> json_tag_of(std::string_view begun) {
  if (begun.empty() || begun[0] != '[') return std::nullopt;
  size_t at = 1;
  while (at < begun.size() && is_blank(begun[at])) ++at;
  if (at == begun.size() || begun[at] != '"') return std::nullopt;
  const size_t begin = ++at;
  while (at < begun.size() && is_plain(begun[at])) ++at;
  if (at == begun.size() || begun[at] != '"') return std::nullopt;
  return begun.substr(begin, at - begin);
}

}  // namespace millrace::input
