// SPDX-License-Identifier: Apache-2.0
// Any text as JSON mode: the splitter says the same whatever the pieces, and finds each object and
// array that the JSON library finds, with the same end; a rewritten value means what the library
// itself reads from the text.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"
#include "base/utf8.h"
#include "input/forward/json_mode.h"
#include "input/forward/json_rewriter.h"

namespace {

using millrace::input::JsonSplitter;
using nlohmann::json;
using Status = JsonSplitter::Status;

constexpr size_t kLimit = 4096;

size_t depth_of(const json& value) {
  if (!value.is_structured()) return 0;
  size_t deepest = 0;
  for (const json& part : value) deepest = std::max(deepest, depth_of(part));
  return deepest + 1;
}

void check_end(std::string_view text, Status status, size_t size) {
  CHECK((status == Status::kNull) == text.starts_with("null"));
  std::istringstream stream{std::string(text)};
  json value;
  try {
    if (text[0] == '{' || text[0] == '[') stream >> value;
  } catch (const json::exception&) {
    return;
  }
  if (!value.is_structured()) return;
  const auto end =
      static_cast<size_t>(stream.rdbuf()->pubseekoff(0, std::ios_base::cur, std::ios_base::in));
  if (depth_of(value) > JsonSplitter::kDepthMax) {
    CHECK(status == Status::kMalformed || status == Status::kTooLarge);
  } else {
    CHECK(status == (end > kLimit ? Status::kTooLarge : Status::kValue));
    CHECK(status != Status::kValue || size == end);
  }
}

// The library knows no integers beyond 64 bits: they are float64 to it.
void read_decimals(json& value) {
  if (value.is_binary()) {
    CHECK(value.get_binary().subtype() == uint64_t{millrace::msgpack_token::kExtDecimal});
    const auto& digits = value.get_binary();
    value = std::strtod(std::string(digits.begin(), digits.end()).c_str(), nullptr);
  } else if (value.is_structured()) {
    for (json& part : value) read_decimals(part);
  }
}

// Not the library's own comparison: to that an integer equals the float64 it is rounded to.
bool is_same(const json& a, const json& b) {
  if (a.is_number_integer() != b.is_number_integer()) return false;
  if (!a.is_structured()) return a == b;
  if (a.type() != b.type() || a.size() != b.size()) return false;
  auto other = b.begin();
  for (auto part = a.begin(); part != a.end(); ++part, ++other) {
    if (a.is_object() && part.key() != other.key()) return false;
    if (!is_same(*part, *other)) return false;
  }
  return true;
}

// Halves of surrogate pairs and numbers beyond float64: what the rewriter takes and the library
// does not.
bool is_taken_nonetheless(const json::exception& refused) {
  return refused.id == 406 ||
         std::string_view(refused.what()).find("surrogate") != std::string_view::npos;
}

void check_rewriter(std::string_view text) {
  static millrace::input::JsonRewriter rewriter;
  const bool rewritten = rewriter.rewrite(text);
  try {
    const json expected = json::parse(millrace::utf8_repaired(text));
    CHECK(rewritten);
    json read = json::from_msgpack(rewriter.output());
    read_decimals(read);
    CHECK(is_same(read, expected));
  } catch (const json::exception& refused) {
    CHECK(!rewritten || is_taken_nonetheless(refused));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);

  JsonSplitter whole(kLimit);
  const Status status = whole.scan(text);
  CHECK(whole.size() <= text.size());
  check_end(text, status, whole.size());
  if (status != Status::kBlank) {  // of which each piece is one
    JsonSplitter pieces(kLimit);
    Status in_pieces = Status::kNeedMore;
    for (size_t at = 0; at < text.size() && in_pieces == Status::kNeedMore;) {
      at = std::min(text.size(), at + 1 + data[0] % 8);
      in_pieces = pieces.scan(text.substr(0, at));
    }
    CHECK(in_pieces == status && (status != Status::kValue || pieces.size() == whole.size()));
  }
  if (status != Status::kValue) return 0;

  check_rewriter(text.substr(0, whole.size()));
  return 0;
}
