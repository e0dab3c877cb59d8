// SPDX-License-Identifier: Apache-2.0
#include "format/json_scalar.h"

#include <cmath>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "base/endian.h"
#include "base/event_time.h"
#include "format/json_number.h"
#include "format/rfc3339.h"

namespace millrace::format {
namespace {

using msgpack_token::Token;
using msgpack_token::Type;

constexpr int8_t kExtEventTime = 0;
constexpr int8_t kExtTimestamp = -1;

char* put_text(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// MessagePack specification, "Timestamp extension type"; false for a form it does not have.
bool read_timestamp(const Token& token, EventTime& time) {
  switch (token.count) {
    case 4:
      time = {load_be<uint32_t>(token.body), 0};
      return true;
    case 8: {
      const auto value = load_be<uint64_t>(token.body);
      time = {static_cast<int64_t>(value & 0x3ffffffff), static_cast<uint32_t>(value >> 34)};
      break;
    }
    case 12:
      time = {static_cast<int64_t>(load_be<uint64_t>(token.body + 4)),
              load_be<uint32_t>(token.body)};
      break;
    default:
      return false;
  }
  return time.nanoseconds <= 999'999'999;
}

char* put_ext(const Token& token, std::string_view unknown, std::string_view quote, char* out,
              ReplacedCounts& counts) {
  if (token.ext_type == kExtEventTime && token.count == 8) {
    return put_text(put_unsigned(put_text(out, quote), load_be<uint32_t>(token.body)), quote);
  }
  EventTime time;
  if (token.ext_type == kExtTimestamp && read_timestamp(token, time)) {
    return put_text(Rfc3339Writer().write(time, put_text(out, "\"")), "\"");
  }
  ++counts.ext;
  return put_text(out, unknown);
}

char* put_float(double value, bool raw, char* out, ReplacedCounts& counts) {
  if (std::isfinite(value)) return put_double(out, value);
  if (raw) return put_ruby_float(out, value);
  ++counts.not_finite;
  return put_text(out, "null");
}

}  // namespace

char* put_scalar(const Token& token, bool raw, char* out, ReplacedCounts& counts) {
  switch (token.type) {
    case Type::kNil:
      return put_text(out, "null");
    case Type::kBool:
      return put_text(out, token.boolean ? "true" : "false");
    case Type::kUint:
      return put_unsigned(out, token.unsigned_value);
    case Type::kInt:
      return put_signed(out, token.signed_value);
    case Type::kFloat32:
    case Type::kFloat64:
      return put_float(token.float_value, raw, out, counts);
    case Type::kExt:
      return put_ext(token, "null", "", out, counts);
    case Type::kStr:
    case Type::kBin:
    case Type::kArray:
    case Type::kMap:
      break;
  }
  CHECK(false);
}

char* put_scalar_key(const Token& token, char* out, ReplacedCounts& counts) {
  if (token.type == Type::kExt) return put_ext(token, "\"\"", "\"", out, counts);
  *out++ = '"';
  if (token.type == Type::kFloat32 || token.type == Type::kFloat64) {
    out = put_ruby_float(out, token.float_value);
  } else if (token.type != Type::kNil) {
    out = put_scalar(token, true, out, counts);
  }
  *out++ = '"';
  return out;
}

}  // namespace millrace::format
