// SPDX-License-Identifier: Apache-2.0
// Any text as JSON mode: the splitter says the same whatever the pieces, and a rewritten value
// means what the JSON library itself reads from the text.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "input/forward/json_mode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using millrace::input::JsonRewriter;
  using millrace::input::JsonSplitter;
  using Status = JsonSplitter::Status;
  static JsonRewriter rewriter;
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);

  JsonSplitter whole(4096);
  const Status status = whole.scan(text);
  CHECK(whole.size() <= text.size());
  if (status != Status::kBlank) {  // of which each piece is one
    JsonSplitter pieces(4096);
    Status in_pieces = Status::kNeedMore;
    for (size_t at = 0; at < text.size() && in_pieces == Status::kNeedMore;) {
      at = std::min(text.size(), at + 1 + data[0] % 8);
      in_pieces = pieces.scan(text.substr(0, at));
    }
    CHECK(in_pieces == status && (status != Status::kValue || pieces.size() == whole.size()));
  }
  if (status != Status::kValue) return 0;

  const std::string_view value = text.substr(0, whole.size());
  const std::string readable = millrace::utf8_repaired(value);
  const nlohmann::json expected = nlohmann::json::parse(readable, nullptr, false);
  const bool rewritten = rewriter.rewrite(value);
  CHECK(rewritten == !expected.is_discarded());
  if (!rewritten) return 0;
  CHECK(nlohmann::json::from_msgpack(rewriter.output()) == expected);
  return 0;
}
