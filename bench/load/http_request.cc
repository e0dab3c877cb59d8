// SPDX-License-Identifier: Apache-2.0
#include "bench/load/http_request.h"

#include <strings.h>

#include <charconv>

namespace millrace::bench {
namespace {

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool read_header(std::string_view line, HttpRequest& request) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (same(name, "content-length")) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, request.body_bytes);
    return error == std::errc() && stop == end && request.body_bytes <= kBodyBytesMax;
  }
  if (same(name, "x-amz-target")) request.target = value;
  if (same(name, "content-type")) request.content_type = value;
  if (same(name, "expect")) request.expects_continue = same(value, "100-continue");
  if (same(name, "connection")) request.closes = same(value, "close");
  return !same(name, "transfer-encoding");
}

bool read_start(std::string_view line, HttpRequest& request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  request.method = line.substr(0, first);
  request.path = line.substr(first + 1, last - first - 1);
  return line.substr(last + 1) == "HTTP/1.1";
}

}  // namespace

HeadStatus parse_head(std::string_view bytes, HttpRequest& request, size_t& head_bytes) {
  const size_t end = bytes.substr(0, kHeadBytesMax).find("\r\n\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() >= kHeadBytesMax ? HeadStatus::kMalformed : HeadStatus::kIncomplete;
  }
  head_bytes = end + 4;
  std::string_view lines = bytes.substr(0, end + 2);
  bool first = true;
  while (!lines.empty()) {
    const size_t line_end = lines.find("\r\n");
    const std::string_view line = lines.substr(0, line_end);
    if (!(first ? read_start(line, request) : read_header(line, request))) {
      return HeadStatus::kMalformed;
    }
    first = false;
    lines.remove_prefix(line_end + 2);
  }
  return HeadStatus::kComplete;
}

}  // namespace millrace::bench
