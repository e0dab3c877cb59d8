// SPDX-License-Identifier: Apache-2.0
#include "format/json_walk.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/endian.h"
#include "format/json_number.h"
#include "format/json_scalar.h"

// The loop's parts are functions to the reader and one function to the machine.
#define MILLRACE_INLINE inline __attribute__((always_inline))

namespace millrace::format {
namespace {

using msgpack_token::Status;
using msgpack_token::Token;
using msgpack_token::Type;

// More than a round writes beside its strings: a key's JSON, quotes and separators, a scalar, and
// the block that a copy may write too much.
constexpr ptrdiff_t kSlackBytes = 256;

const KeySlot kNoSlot;  // matches nothing

// Replaces the comma behind the last part by `bracket`; an empty container has no comma.
MILLRACE_INLINE char* close(char* out, char bracket) {
  if (out[-1] == ',') --out;
  *out = bracket;
  return out + 1;
}

// A fixstr or str8, nearly every value that is a string: sets `in` behind it. False if it is
// something else, or not whole.
MILLRACE_INLINE bool take_short_text(const char*& in, const char* end, std::string_view& text) {
  const auto lead = static_cast<uint8_t>(*in);
  const char* body = in + 1;
  size_t size = lead & 0x1f;
  if (lead == 0xd9 && end - in >= 2) {
    size = static_cast<uint8_t>(in[1]);
    body = in + 2;
  } else if ((lead & 0xe0) != 0xa0) {
    return false;
  }
  if (static_cast<size_t>(end - body) < size) return false;
  text = {body, size};
  in = body + size;
  return true;
}

// The numbers that fill most records; false if it is something else, or not whole.
MILLRACE_INLINE bool take_number(const char*& in, const char* end, char*& out) {
  const auto lead = static_cast<uint8_t>(*in);
  if (lead < 0x80) {
    out = put_unsigned(out, lead);
    in += 1;
    return true;
  }
  if (end - in < 9) return false;
  switch (lead) {
    case 0xcc:
      out = put_unsigned(out, static_cast<uint8_t>(in[1]));
      in += 2;
      return true;
    case 0xcd:
      out = put_unsigned(out, load_be<uint16_t>(in + 1));
      in += 3;
      return true;
    case 0xce:
      out = put_unsigned(out, load_be<uint32_t>(in + 1));
      in += 5;
      return true;
    case 0xcb: {
      const double value = std::bit_cast<double>(load_be<uint64_t>(in + 1));
      if (!std::isfinite(value)) return false;
      out = put_double(out, value);
      in += 9;
      return true;
    }
    default:
      return false;
  }
}

// The head of a map or array; false if it is something else, or not whole.
MILLRACE_INLINE bool take_container(const char*& in, const char* end, bool& is_map,
                                    uint32_t& count) {
  const auto lead = static_cast<uint8_t>(*in);
  if ((lead & 0xe0) == 0x80) {
    is_map = lead < 0x90;
    count = lead & 0x0f;
    in += 1;
    return true;
  }
  if (lead < 0xdc || lead > 0xdf) return false;
  Token token;
  const char* at = in;
  if (msgpack_token::read_header(at, end, token) != Status::kOk) return false;
  is_map = token.type == Type::kMap;
  count = token.count;
  in = at;
  return true;
}

bool needs_no_escape(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';  // bytes >= 0x80 are negative
  });
}

}  // namespace

JsonWalk::JsonWalk(Injection& injection) : injection_(injection) {
  const std::string& time = injection.time_key();
  const std::string& tag = injection.tag_key();
  time_hash_ = hash_key(time.data(), time.size(), time.data() + time.size());
  tag_hash_ = hash_key(tag.data(), tag.size(), tag.data() + tag.size());
}

void JsonWalk::open(Frame& frame, bool is_map) {
  frame.is_map = is_map;
  frame.first_key = static_cast<uint32_t>(filter_.count());
  if (!is_map) return;
  frame.in_filter = false;
  frame.plan = maps_begun_ < plans_.size() ? &plans_[maps_begun_] : nullptr;
  frame.slot = frame.plan != nullptr ? frame.plan->begin() : &kNoSlot;
  ++maps_begun_;
}

JsonWalk::Cursor JsonWalk::begin(const char* in, const char* end, char* out, uint32_t& left) {
  counts_ = {};
  time_due_ = injection_.has_time();
  tag_due_ = injection_.has_tag();
  maps_begun_ = 0;
  filter_.clear();
  Token token;
  if (msgpack_token::read_header(in, end, token) != Status::kOk || token.type != Type::kMap ||
      !filter_.fits(uint64_t{token.count} + 2)) {
    return stopped();
  }
  left = token.count;
  open(frames_[0], true);
  *out = '{';
  return {in, out + 1};
}

// From here on the keys of this map are looked up in the filter, those read so far included. If the
// key is `unlike` the one expected, the plan ends before it and learns what follows. The injected
// names enter first: a record that has one of them shows up as a repetition.
void JsonWalk::leave_plan(Frame& frame, bool unlike) {
  frame.in_filter = true;
  frame.bloom = {};
  if (&frame == frames_.data()) {
    if (injection_.has_time()) filter_.add(frame.bloom, time_hash_);
    if (injection_.has_tag()) filter_.add(frame.bloom, tag_hash_);
  }
  if (frame.plan != nullptr) {
    for (const KeySlot* known = frame.plan->begin(); known != frame.slot; ++known) {
      filter_.add(frame.bloom, known->hash);
    }
    if (unlike) {
      frame.plan->cut(frame.slot);
    } else {
      frame.plan = nullptr;
    }
  }
  frame.slot = &kNoSlot;
}

// A key that the plan did not foresee. `pair_done` is set if it was an injected one: its pair has
// been dealt with.
template <Utf8Mode kMode>
JsonWalk::Cursor JsonWalk::other_key(Cursor at, const Input& input, Frame& frame, bool& pair_done) {
  if (!frame.in_filter) {
    const bool unlike = input.end - at.in >= static_cast<ptrdiff_t>(KeySlot::kWireBytes);
    leave_plan(frame, unlike);
  }
  Token token;
  if (msgpack_token::read(at.in, input.end, token) != Status::kOk ||
      (token.type != Type::kStr && token.type != Type::kBin)) {
    return stopped();
  }
  const std::string_view key = token.bytes();
  const uint32_t hash = hash_key(key.data(), key.size(), input.end);
  if (filter_.add(frame.bloom, hash) && filter_.repeated(frame.first_key)) {
    if (&frame != frames_.data()) return stopped();
    pair_done = true;
    frame.plan = nullptr;
    return injected(at, input.end, key);
  }
  if (frame.plan != nullptr) {
    const bool learnt = token.type == Type::kStr && key.size() < KeySlot::kWireBytes &&
                        needs_no_escape(key) && frame.plan->add(key.data(), key.size(), hash);
    if (!learnt) frame.plan = nullptr;
  }
  at = text<kMode>(at, input, key);
  if (at.out != nullptr) *at.out++ = ':';
  return at;
}

// A key whose hash the record has already. If it is the name of an injected pair, that pair takes
// its place, or has taken it before; else the record needs care.
JsonWalk::Cursor JsonWalk::injected(Cursor at, const char* end, std::string_view key) {
  const Injection::Match match = injection_.match(key);
  if (match == Injection::Match::kNone) return stopped();
  const bool time = match == Injection::Match::kTime;
  bool& due = time ? time_due_ : tag_due_;
  if (due) at.out = injection_.put_pairs(time, !time, at.out);
  due = false;
  return msgpack_token::skip(at.in, end) == Status::kOk ? at : stopped();
}

template <Utf8Mode kMode>
MILLRACE_INLINE JsonWalk::Cursor JsonWalk::text(Cursor at, const Input& input,
                                                std::string_view text) {
  if (static_cast<ptrdiff_t>(text.size()) > input.soft - at.out) return stopped();
  bool replaced = false;
  at.out = put_string<kMode>(text.data(), text.size(), input.end, at.out, input.soft, replaced);
  if (replaced) ++counts_.invalid_utf8;
  return at;
}

// Scalars, and strings in forms that are not common.
template <Utf8Mode kMode>
JsonWalk::Cursor JsonWalk::other_value(Cursor at, const Input& input) {
  Token token;
  if (msgpack_token::read(at.in, input.end, token) != Status::kOk) return stopped();
  if (token.type == Type::kStr || token.type == Type::kBin) {
    return text<kMode>(at, input, token.bytes());
  }
  if (decimals_ && is_decimal(token)) {
    if (static_cast<ptrdiff_t>(token.count) > input.soft - at.out) return stopped();
    std::memcpy(at.out, token.body, token.count);
    return {at.in, at.out + token.count};
  }
  at.out = put_scalar(token, kMode == Utf8Mode::kRaw, at.out, counts_);
  return at;
}

char* JsonWalk::close_record(char* out) {
  counts_.invalid_utf8 += injection_.tag_replaced();
  return close(injection_.put_pairs(time_due_, tag_due_, out), '}');
}

template <Utf8Mode kMode>
JsonWalk::End JsonWalk::walk(const char* in, const char* end, char* out, char* limit) {
  constexpr End kLookClosely{Stop::kLookClosely, nullptr, nullptr};
  const auto slack = kSlackBytes + static_cast<ptrdiff_t>(injection_.room_bytes());
  if (limit - out <= slack) return kLookClosely;
  const Input input{end, limit - slack};
  uint32_t left = 0;
  Frame* frame = frames_.data();
  Cursor at = begin(in, end, out, left);
  if (at.out == nullptr) return kLookClosely;
  const KeySlot* slot = frame->slot;
  for (;;) {
    if (at.out > input.soft) return kLookClosely;
    if (left == 0) {
      if (frame == frames_.data()) return {Stop::kDone, at.in, close_record(at.out)};
      at.out = close(at.out, frame->is_map ? '}' : ']');
      *at.out++ = ',';
      filter_.cut(frame->first_key);
      --frame;
      left = frame->left;
      slot = frame->slot;
      continue;
    }
    --left;
    if (frame->is_map) {
      if (end - at.in >= static_cast<ptrdiff_t>(KeySlot::kWireBytes) && slot->matches(at.in)) {
        at = {at.in + slot->wire_bytes, slot->put(at.out)};
        ++slot;
      } else {
        frame->slot = slot;
        bool pair_done = false;
        at = other_key<kMode>(at, input, *frame, pair_done);
        if (at.out == nullptr) return kLookClosely;
        slot = frame->slot;
        if (pair_done) continue;
      }
    }
    if (at.in == end) return kLookClosely;
    std::string_view body;
    if (take_short_text(at.in, end, body)) {
      at = text<kMode>(at, input, body);
    } else if (!take_number(at.in, end, at.out)) {
      bool is_map = false;
      uint32_t count = 0;
      if (take_container(at.in, end, is_map, count)) {
        if (frame == &frames_.back() || !filter_.fits(count)) return kLookClosely;
        frame->left = left;
        frame->slot = slot;
        open(*++frame, is_map);
        left = count;
        slot = frame->slot;
        *at.out++ = is_map ? '{' : '[';
        continue;
      }
      at = other_value<kMode>(at, input);
    }
    if (at.out == nullptr) return kLookClosely;
    *at.out++ = ',';
  }
}

template JsonWalk::End JsonWalk::walk<Utf8Mode::kValid>(const char*, const char*, char*, char*);
template JsonWalk::End JsonWalk::walk<Utf8Mode::kRaw>(const char*, const char*, char*, char*);

}  // namespace millrace::format
