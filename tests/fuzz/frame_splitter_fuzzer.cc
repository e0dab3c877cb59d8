// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame: the splitter must say the same whatever the pieces, agree with the token
// reader on where a value ends, and never go over the limit.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "input/forward/frame_splitter.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millrace::input::FrameSplitter;
  using Status = FrameSplitter::Status;
  namespace token = millrace::msgpack_token;
  if (size < 2) return 0;
  const uint64_t limit = 1 + data[0] * 16ULL;
  const size_t piece = 1 + data[1] % 9;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);

  FrameSplitter whole(limit);
  const Status status = whole.scan(bytes);
  FrameSplitter pieces(limit);
  Status in_pieces = Status::kNeedMore;
  for (size_t at = 0; at < bytes.size() && in_pieces == Status::kNeedMore;) {
    at = std::min(bytes.size(), at + piece);
    in_pieces = pieces.scan(bytes.substr(0, at));
    CHECK(in_pieces != Status::kNeedMore || pieces.bytes_needed() <= limit);
  }
  CHECK(bytes.empty() || in_pieces == status);
  if (status != Status::kFrame) return 0;
  const millrace::input::FrameLayout& layout = whole.layout();
  CHECK(layout.size <= limit && layout.size <= bytes.size());
  CHECK(pieces.layout().size == layout.size && pieces.layout().starts == layout.starts);
  const char* p = bytes.data();
  CHECK(token::skip(p, bytes.data() + bytes.size()) == token::Status::kOk);
  CHECK(static_cast<uint64_t>(p - bytes.data()) == layout.size);
  for (uint32_t i = 0; i < std::min(layout.count, 4U); ++i) {
    const std::string_view element = layout.element(bytes, i);
    const char* q = element.data();
    CHECK(token::skip(q, q + element.size()) == token::Status::kOk);
    CHECK(q == element.data() + element.size());
  }
  return 0;
}
