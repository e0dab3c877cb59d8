// SPDX-License-Identifier: Apache-2.0
#include "input/forward/ack.h"

#include "base/check.h"
#include "base/msgpack_token.h"

namespace millrace::input {
namespace {

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

void append_ack(std::string& out, std::string_view chunk_value) {
  out +=
      "\x81\xa3"
      "ack";
  out += chunk_value;
}

void append_json_ack(std::string& out, std::string_view chunk_value) {
  msgpack_token::Token token;
  const char* p = chunk_value.data();
  CHECK(msgpack_token::read(p, p + chunk_value.size(), token) == msgpack_token::Status::kOk);
  out += "{\"ack\":";
  if (token.type == msgpack_token::Type::kUint) {
    out += std::to_string(token.unsigned_value);
  } else if (token.type == msgpack_token::Type::kInt) {
    out += std::to_string(token.signed_value);
  } else {
    append_json_string(out, token.bytes());
  }
  out += '}';
}

}  // namespace millrace::input
