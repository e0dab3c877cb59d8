// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame: whatever the pieces, the splitter says what msgpack-c makes of them: whole
// and how long, begun, not MessagePack, or over the limit, and not one byte before that is sure.
// The elements of an array begin where msgpack-c finds them; the token reader ends where it does.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "input/forward/frame_splitter.h"
#include "tests/support/frame_judge.h"

namespace {

using millrace::input::FrameLayout;
using millrace::input::FrameSplitter;
using millrace::testing::judge_frame;
using millrace::testing::judge_last_value;
using millrace::testing::judge_value;
using millrace::testing::Judged;
using millrace::testing::JudgedFrame;
using Status = FrameSplitter::Status;
namespace token = millrace::msgpack_token;

void check_token_reader(std::string_view bytes) {
  const Judged judged = judge_last_value(bytes);
  const char* p = bytes.data();
  const token::Status status = token::skip(p, p + bytes.size());
  CHECK((status == token::Status::kOk) == (judged.kind == Judged::Kind::kWhole));
  CHECK((status == token::Status::kMalformed) == (judged.kind == Judged::Kind::kMalformed));
  if (status == token::Status::kOk) CHECK(p == bytes.data() + judged.size);
}

void check_layout(const FrameLayout& layout, std::string_view frame) {
  CHECK(layout.size == frame.size());
  const auto lead = static_cast<uint8_t>(frame[0]);
  CHECK(layout.is_array == ((lead & 0xf0) == 0x90 || lead == 0xdc || lead == 0xdd));
  if (!layout.is_array) return;
  size_t at = lead == 0xdc ? 3 : lead == 0xdd ? 5 : 1;
  for (uint32_t i = 0; i < layout.count; ++i) {
    const size_t size = judge_value(frame.substr(at)).size;
    if (i < FrameLayout::kStartsMax) CHECK(layout.starts[i] == at);
    if (i + 1 < FrameLayout::kStartsMax) CHECK(layout.element(frame, i) == frame.substr(at, size));
    at += size;
  }
  CHECK(at == frame.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint64_t limit = 1 + data[0] * 16ULL;
  const size_t piece = 1 + data[1] % 9;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);

  FrameSplitter whole(limit);
  const Status status = whole.scan(bytes);
  const JudgedFrame judged = judge_frame(bytes, limit);
  CHECK(judged.allows(status));
  if (status == Status::kNeedMore) {
    CHECK(whole.bytes_needed() >= judged.needed_min && whole.bytes_needed() <= judged.needed_max);
  }
  if (status == Status::kFrame) check_layout(whole.layout(), bytes.substr(0, judged.size));
  check_token_reader(bytes);

  FrameSplitter pieces(limit);
  Status in_pieces = Status::kNeedMore;
  for (size_t at = 0; at < bytes.size() && in_pieces == Status::kNeedMore;) {
    at = std::min(bytes.size(), at + piece);
    in_pieces = pieces.scan(bytes.substr(0, at));
    CHECK(in_pieces != Status::kNeedMore || pieces.bytes_needed() <= limit);
  }
  CHECK(bytes.empty() || in_pieces == status);
  if (status != Status::kFrame) return 0;
  CHECK(pieces.layout().size == whole.layout().size);
  CHECK(pieces.layout().starts == whole.layout().starts);
  return 0;
}
