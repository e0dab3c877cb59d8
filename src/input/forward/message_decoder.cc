// SPDX-License-Identifier: Apache-2.0
#include "input/forward/message_decoder.h"

#include "base/msgpack_token.h"

namespace millrace::input {
namespace {

using msgpack_token::Status;
using msgpack_token::Token;
using msgpack_token::Type;
using Kind = Decoded::Kind;

bool is_string(const Token& token) { return token.type == Type::kStr || token.type == Type::kBin; }

// One token with its bytes; false where the input breaks off, which a complete frame does not.
bool read_token(const char*& p, const char* end, Token& token) {
  return msgpack_token::read(p, end, token) == Status::kOk;
}

struct Options {
  std::string_view chunk_value;  // as MessagePack, empty: none
  std::string_view chunk;        // the bytes of a str or bin, else the option with its name
  bool odd_chunk = false;
  bool known_compression = true;
  Compression compression = Compression::kNone;
  bool has_size = false;
  uint64_t size = 0;
  bool logs = true;
};

// `raw` is the value, `pair` the option's name and the value: a number alone would be the string
// that has its bytes.
void take_chunk(Options& options, const Token& value, std::string_view raw, std::string_view pair) {
  options.chunk_value = {};
  options.chunk = {};
  options.odd_chunk = false;
  switch (value.type) {
    case Type::kStr:
    case Type::kBin:
      options.odd_chunk = value.count > kChunkBytesMax;
      if (options.odd_chunk) return;
      options.chunk_value = raw;
      options.chunk = value.bytes();
      return;
    case Type::kUint:
    case Type::kInt:
      options.chunk_value = raw;
      options.chunk = pair;
      return;
    case Type::kNil:
      return;
    case Type::kBool:
      options.odd_chunk = value.boolean;
      return;
    default:
      options.odd_chunk = true;
      return;
  }
}

void take_compression(Options& options, const Token& value) {
  options.compression = Compression::kNone;
  options.known_compression = true;
  if (value.type == Type::kNil) return;
  const std::string_view name = is_string(value) ? value.bytes() : std::string_view();
  if (name == "gzip") {
    options.compression = Compression::kGzip;
  } else if (name == "zstd") {
    options.compression = Compression::kZstd;
  } else {
    options.known_compression = name == "text";
  }
}

// Keys may come twice; the last one counts, as in Fluentd.
void take_option(Options& options, std::string_view key, const Token& value, std::string_view raw,
                 std::string_view pair) {
  if (key == "chunk") {
    take_chunk(options, value, raw, pair);
  } else if (key == "compressed") {
    take_compression(options, value);
  } else if (key == "size") {
    options.has_size = value.type == Type::kUint;
    options.size = options.has_size ? value.unsigned_value : 0;
  } else if (key == "fluent_signal") {
    options.logs = value.type != Type::kUint || value.unsigned_value == 0;
  }
}

// False: the map breaks off. An option of another type than a map counts as none.
bool read_options(std::string_view bytes, Options& options) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  Token map;
  if (!read_token(p, end, map)) return false;
  if (map.type != Type::kMap) {
    options.odd_chunk = map.type != Type::kNil;
    return true;
  }
  for (uint32_t i = 0; i < map.count; ++i) {
    const char* const key_begin = p;
    Token key;
    if (!read_token(p, end, key)) return false;
    if (key.type == Type::kArray || key.type == Type::kMap) {
      p = key_begin;
      if (msgpack_token::skip(p, end) != Status::kOk) return false;
    }
    const char* const value_begin = p;
    Token value;
    if (!read_token(p, end, value)) return false;
    const std::string_view raw(value_begin, static_cast<size_t>(p - value_begin));
    if (value.type == Type::kArray || value.type == Type::kMap) {
      p = value_begin;
      if (msgpack_token::skip(p, end) != Status::kOk) return false;
    }
    const std::string_view pair(key_begin, static_cast<size_t>(p - key_begin));
    if (is_string(key)) take_option(options, key.bytes(), value, raw, pair);
  }
  return true;
}

// Mode and entries by the second element; returns the index of the option.
uint32_t take_entries(Decoded& out, std::string_view frame, const FrameLayout& layout) {
  const std::string_view second = layout.element(frame, 1);
  const char* p = second.data();
  const char* const end = p + second.size();
  Token token;
  if (!read_token(p, end, token)) {
    out.kind = Kind::kMalformed;
    return 0;
  }
  Message& message = out.message;
  if (is_string(token)) {
    message.mode = Mode::kPacked;
    message.entries = token.bytes();
    return 2;
  }
  if (token.type == Type::kArray) {
    message.mode = Mode::kForward;
    message.entries = {p, static_cast<size_t>(end - p)};
    return 2;
  }
  message.mode = Mode::kMessage;
  message.shape = Shape::kPair;
  if (layout.count < 3) {
    out.kind = Kind::kNoEvents;
    return 3;
  }
  const std::string_view record = layout.element(frame, 2);
  message.entries = {second.data(), second.size() + record.size()};
  return 3;
}

bool is_empty_heartbeat(std::string_view frame) { return frame == "\x92\xa0\x90"; }

void apply_options(Decoded& out, const Options& options) {
  Message& message = out.message;
  message.chunk = options.chunk;
  message.has_chunk = !options.chunk_value.empty();
  message.size_option = options.size;
  message.has_size_option = options.has_size;
  out.ack_value = options.chunk_value;
  out.odd_option = options.odd_chunk;
  if (out.kind == Kind::kNoEvents) return;
  if (!options.logs) {
    out.kind = Kind::kNotLogs;
    return;
  }
  if (message.mode != Mode::kPacked) return;  // elsewhere `compressed` says nothing
  if (!options.known_compression) {
    out.kind = Kind::kUnknownCompression;
  } else if (options.compression != Compression::kNone) {
    message.mode = Mode::kCompressed;
    out.compression = options.compression;
  }
}

}  // namespace

std::optional<std::string_view> tag_of(std::string_view value) {
  const char* p = value.data();
  Token tag;
  if (!read_token(p, p + value.size(), tag) || !is_string(tag)) return std::nullopt;
  return tag.bytes();
}

std::optional<std::string_view> tag_of(std::string_view begun, const FrameLayout& layout) {
  const bool whole = layout.is_array && layout.count >= 2 && layout.starts[1] > 0 &&
                     layout.starts[1] <= begun.size();
  return whole ? tag_of(layout.element(begun, 0)) : std::nullopt;
}

Decoded decode_frame(std::string_view frame, const FrameLayout& layout) {
  Decoded out;
  if (!layout.is_array) {
    const bool nil = !frame.empty() && static_cast<uint8_t>(frame[0]) == 0xc0;
    out.kind = nil ? Kind::kNothing : Kind::kNotMessage;
    return out;
  }
  if (is_empty_heartbeat(frame)) return out;
  out.kind = Kind::kMessage;
  if (layout.count < 2) {
    out.kind = Kind::kNoEvents;
    return out;
  }
  const std::string_view first = layout.element(frame, 0);
  const char* p = first.data();
  Token tag;
  if (!read_token(p, p + first.size(), tag)) {
    out.kind = Kind::kMalformed;
    return out;
  }
  if (is_string(tag)) {
    out.message.tag = tag.bytes();
  } else {
    out.kind = Kind::kNoEvents;
  }
  const uint32_t option_index = take_entries(out, frame, layout);
  if (out.kind == Kind::kMalformed) return out;
  Options options;
  if (option_index < layout.count && !read_options(layout.element(frame, option_index), options)) {
    out.kind = Kind::kMalformed;
    return out;
  }
  apply_options(out, options);
  return out;
}

}  // namespace millrace::input
