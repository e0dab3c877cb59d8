// SPDX-License-Identifier: Apache-2.0
#include "format/json_exact.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "base/check.h"
#include "format/json_scalar.h"

namespace millrace::format {

using msgpack_token::Type;

namespace {

// A walk that takes no table: a record that is too deep is told from one that costs too much.
bool is_too_deep(const char* in, const char* end) {
  std::array<uint64_t, kNestingMax> left;  // values still to come, by level
  size_t depth = 0;
  while (true) {
    msgpack_token::Token token;
    CHECK(msgpack_token::read(in, end, token) == msgpack_token::Status::kOk);
    if (token.type == Type::kArray || token.type == Type::kMap) {
      if (depth == left.size()) return true;
      left[depth++] = uint64_t{token.count} * (token.type == Type::kMap ? 2 : 1) + 1;
    }
    while (depth > 0 && --left[depth - 1] == 0) --depth;
    if (depth == 0) return false;
  }
}

}  // namespace

bool JsonExact::put(std::string_view bytes) {
  if (static_cast<size_t>(limit_ - out_) < bytes.size()) return stop(FormatStatus::kNoSpace);
  std::memcpy(out_, bytes.data(), bytes.size());
  out_ += bytes.size();
  return true;
}

bool JsonExact::put_text(std::string_view text) {
  if (!put("\"")) return false;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  bool replaced = false;
  char* const after = mode_ == Utf8Mode::kRaw
                          ? escape_text<Utf8Mode::kRaw>(begin, end, out_, limit_, replaced)
                          : escape_text<Utf8Mode::kValid>(begin, end, out_, limit_, replaced);
  if (after == nullptr) return stop(FormatStatus::kNoSpace);
  out_ = after;
  if (replaced) ++counts_.invalid_utf8;
  return put("\"");
}

// Replaces the comma behind the last part by `bracket`; an empty container has no comma.
bool JsonExact::close(char bracket) {
  if (out_[-1] == ',') --out_;
  return put({&bracket, 1});
}

bool JsonExact::value(const char*& in, int depth) {
  Token token;
  CHECK(msgpack_token::read(in, end_, token) == msgpack_token::Status::kOk);
  if (token.type == Type::kArray) return array(in, token.count, depth + 1);
  if (token.type == Type::kMap) return map(in, token.count, depth + 1);
  if (token.type == Type::kStr || token.type == Type::kBin) return put_text(token.bytes());
  if (decimals_ && is_decimal(token)) return put(token.bytes());
  char text[kScalarRoomBytes];
  const char* const end = put_scalar(token, mode_ == Utf8Mode::kRaw, text, counts_);
  return put({text, static_cast<size_t>(end - text)});
}

bool JsonExact::array(const char*& in, uint32_t count, int depth) {
  if (depth > kNestingMax) return stop(FormatStatus::kTooDeep);
  if (!put("[")) return false;
  for (uint32_t i = 0; i < count; ++i) {
    if (!value(in, depth) || !put(",")) return false;
  }
  return close(']');
}

bool JsonExact::map(const char*& in, uint32_t count, int depth) {
  if (depth > kNestingMax) return stop(FormatStatus::kTooDeep);
  if (!put("{")) return false;
  // Each held pair is part of what is written, and none takes fewer than the five bytes of "":0,
  const auto pairs_room = static_cast<size_t>(limit_ - begin_) / 5 + 1;
  KeyTable::Range range;
  switch (keys_.collect(in, end_, count, std::min(pairs_room, kExactKeysMax), range)) {
    case KeyTable::Status::kOk:
      break;
    case KeyTable::Status::kTooMany:
      return stop(pairs_room > kExactKeysMax ? FormatStatus::kTooCostly : FormatStatus::kNoSpace);
    case KeyTable::Status::kTooMuch:
      return stop(FormatStatus::kTooCostly);
  }
  for (size_t i = range.first; i < range.last; ++i) {
    if (!pair(keys_.pair(i), depth)) return false;
  }
  keys_.cut(range);
  if (depth == 1 && !put(injection_.pairs_text(time_due_, tag_due_))) return false;
  return close('}');
}

bool JsonExact::pair(KeyTable::Pair pair, int depth) {
  if (depth == 1) {
    bool done = false;
    if (!injected(pair, done)) return false;
    if (done) return true;
  }
  const char* in = pair.value;
  return key(pair.key, depth) && put(":") && value(in, depth) && put(",");
}

bool JsonExact::key(const char* in, int depth) {
  const char* at = in;
  Token token;
  CHECK(msgpack_token::read(at, end_, token) == msgpack_token::Status::kOk);
  if (token.type == Type::kStr || token.type == Type::kBin) return put_text(token.bytes());
  if (token.type == Type::kArray || token.type == Type::kMap) return container_key(in, depth);
  char text[kScalarRoomBytes];
  const char* const end = put_scalar_key(token, text, counts_);
  return put({text, static_cast<size_t>(end - text)});
}

// The container's JSON first, then that text as a string in its place: what does not fit once does
// not fit escaped either.
bool JsonExact::container_key(const char* in, int depth) {
  if (key_depth_ == kKeyNestingMax) return stop(FormatStatus::kTooDeep);
  char* const begin = out_;
  ++key_depth_;
  if (!value(in, depth)) return false;
  --key_depth_;
  const std::string text(begin, out_);
  out_ = begin;
  return put_text(text);
}

// If the pair's key is the name of an injected pair, writes that one in its place.
bool JsonExact::injected(const KeyTable::Pair& pair, bool& done) {
  const char* at = pair.key;
  Token token;
  CHECK(msgpack_token::read(at, end_, token) == msgpack_token::Status::kOk);
  if (token.type != Type::kStr && token.type != Type::kBin) return true;
  const Injection::Match match = injection_.match(token.bytes());
  if (match == Injection::Match::kNone) return true;
  const bool time = match == Injection::Match::kTime;
  (time ? time_due_ : tag_due_) = false;
  done = true;
  return put(injection_.pairs_text(time, !time));
}

FormatResult JsonExact::record(const char* in, const char* record_end, Utf8Mode mode, char* out,
                               char* limit) {
  mode_ = mode;
  end_ = record_end;
  begin_ = out;
  out_ = out;
  limit_ = limit;
  time_due_ = injection_.has_time();
  tag_due_ = injection_.has_tag();
  counts_ = {};
  key_depth_ = 0;
  counts_.invalid_utf8 = injection_.tag_replaced();
  keys_.clear(static_cast<uint64_t>(record_end - in) * kExactWorkPerByte + kExactWorkGrant);
  const char* at = in;
  if (value(at, 0)) return {FormatStatus::kOk, out_, record_end};
  if (stop_ == FormatStatus::kTooCostly && is_too_deep(in, record_end)) {
    stop_ = FormatStatus::kTooDeep;
  }
  return {stop_, nullptr, record_end};
}

}  // namespace millrace::format
