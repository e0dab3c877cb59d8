// SPDX-License-Identifier: Apache-2.0
#include "aws/cbor.h"

#include "base/utf8.h"

namespace millrace::aws {
namespace {

// Major types and the "additional information" of an initial byte: RFC 8949, section 3.
constexpr uint8_t kBytes = 2;
constexpr uint8_t kText = 3;
constexpr uint8_t kArray = 4;
constexpr uint8_t kMap = 5;
constexpr uint8_t kTag = 6;
constexpr uint8_t kSimple = 7;
constexpr uint8_t kOneByteInfo = 24;  // 25, 26, 27: two, four, eight bytes
constexpr uint8_t kIndefiniteInfo = 31;
constexpr char kBreak = '\xff';
constexpr uint64_t kTwoByteSimpleMin = 32;

void append_head(std::string& out, uint8_t major, uint64_t value) {
  int bytes = 0;
  uint8_t info = static_cast<uint8_t>(value);
  if (value >= kOneByteInfo) {
    const int power = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffff'ffff ? 2 : 3;
    info = static_cast<uint8_t>(kOneByteInfo + power);
    bytes = 1 << power;
  }
  out.push_back(static_cast<char>(major << 5 | info));
  while (bytes > 0) out.push_back(static_cast<char>(value >> (8 * --bytes) & 0xff));
}

}  // namespace

void cbor_append_map(std::string& out, uint64_t pairs) { append_head(out, kMap, pairs); }

void cbor_append_text(std::string& out, std::string_view text) {
  append_head(out, kText, text.size());
  out.append(text);
}

void cbor_append_bytes_head(std::string& out, uint64_t bytes) { append_head(out, kBytes, bytes); }

CborMapReader::CborMapReader(std::string_view bytes) : rest_(bytes) {
  if (!read_untagged_head(map_) || map_.major != kMap) state_ = State::kBroken;
}

bool CborMapReader::next(std::string& key, std::string& value) {
  while (state_ == State::kReading) {
    if (at_end()) {
      state_ = State::kEnded;
      return false;
    }
    const Item first = read_item(key);
    const Item second = first == Item::kBroken ? first : read_item(value);
    if (second == Item::kBroken) {
      state_ = State::kBroken;
    } else if (first == Item::kText && second == Item::kText) {
      return true;
    }
  }
  return false;
}

bool CborMapReader::at_end() {
  if (map_.indefinite) return take_break();
  if (map_.value == 0) return true;
  --map_.value;
  return false;
}

CborMapReader::Item CborMapReader::read_item(std::string& text) {
  text.clear();
  Head head;
  if (!read_untagged_head(head)) return Item::kBroken;
  if (head.major != kText) return skip(head, 1) ? Item::kOther : Item::kBroken;
  return read_string(head, &text) && utf8_valid(text) ? Item::kText : Item::kBroken;
}

bool CborMapReader::read_head(Head& head) {
  if (rest_.empty()) return false;
  const auto initial = static_cast<uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  const uint8_t info = initial & 31;
  head.major = static_cast<uint8_t>(initial >> 5);
  head.indefinite = info == kIndefiniteInfo;
  head.value = info;
  if (info < kOneByteInfo) return true;
  if (head.indefinite) return head.major >= kBytes && head.major != kTag;
  if (info > kOneByteInfo + 3) return false;
  const size_t bytes = size_t{1} << (info - kOneByteInfo);
  if (rest_.size() < bytes) return false;
  head.value = 0;
  for (const char byte : rest_.substr(0, bytes)) {
    head.value = head.value << 8 | static_cast<uint8_t>(byte);
  }
  rest_.remove_prefix(bytes);
  return head.major != kSimple || info != kOneByteInfo || head.value >= kTwoByteSimpleMin;
}

bool CborMapReader::read_untagged_head(Head& head) {
  do {
    if (!read_head(head)) return false;
  } while (head.major == kTag);
  return true;
}

// The pieces of an indefinite string are definite strings of its own kind: section 3.2.3.
bool CborMapReader::read_string(const Head& head, std::string* out) {
  if (!head.indefinite) return take(head.value, out);
  while (!take_break()) {
    Head piece;
    if (!read_head(piece) || piece.major != head.major || piece.indefinite) return false;
    if (!take(piece.value, out)) return false;
  }
  return true;
}

// `depth`: maps and arrays around the item.
bool CborMapReader::skip(const Head& head, int depth) {
  switch (head.major) {
    case kBytes:
    case kText:
      return read_string(head, nullptr);
    case kArray:
    case kMap:
      return depth < kDepthMax && skip_items(head, depth + 1);
    case kSimple:
      return !head.indefinite;  // a break ends what is open, and is no item
    default:
      return true;
  }
}

bool CborMapReader::skip_items(const Head& head, int depth) {
  const int per_entry = head.major == kMap ? 2 : 1;
  for (uint64_t left = head.value; head.indefinite ? !take_break() : left > 0; --left) {
    for (int i = 0; i < per_entry; ++i) {
      Head item;
      if (!read_untagged_head(item) || !skip(item, depth)) return false;
    }
  }
  return true;
}

bool CborMapReader::take(uint64_t bytes, std::string* out) {
  if (bytes > rest_.size()) return false;
  if (out != nullptr) out->append(rest_.substr(0, bytes));
  rest_.remove_prefix(bytes);
  return true;
}

bool CborMapReader::take_break() {
  if (rest_.empty() || rest_.front() != kBreak) return false;
  rest_.remove_prefix(1);
  return true;
}

}  // namespace millrace::aws
