// SPDX-License-Identifier: Apache-2.0
#pragma once

// The head of an HTTP/1.1 request (RFC 9112), as far as the sink needs it: method, path, the length
// of the body and four headers. A request without Content-Length has no body; chunked bodies are
// not read. Any thread; the views point into the given bytes.

#include <cstdint>
#include <string_view>

namespace millrace::bench {

constexpr uint64_t kBodyBytesMax = 64ULL << 20;
constexpr uint64_t kHeadBytesMax = 64ULL << 10;

struct HttpRequest {
  std::string_view method;
  std::string_view path;
  std::string_view target;  // x-amz-target
  std::string_view content_type;
  uint64_t body_bytes = 0;
  bool expects_continue = false;
  bool closes = false;  // Connection: close
};

enum class HeadStatus { kComplete, kIncomplete, kMalformed };

/// Reads the head at the start of `bytes`; `head_bytes` is its size with the empty line.
HeadStatus parse_head(std::string_view bytes, HttpRequest& request, size_t& head_bytes);

}  // namespace millrace::bench
