// SPDX-License-Identifier: Apache-2.0
#include "base/msgpack_token.h"

namespace millrace::msgpack_token {
namespace {

template <class T>
bool take(const char*& p, const char* end, T& value) {
  if (static_cast<size_t>(end - p) < sizeof(T)) return false;
  value = load_be<T>(p);
  p += sizeof(T);
  return true;
}

template <class T>
Status sized(const char*& p, const char* end, Token& token, Type type) {
  T size;
  if (!take(p, end, size)) return Status::kTruncated;
  token.type = type;
  token.count = size;
  token.body = p;
  return Status::kOk;
}

template <class T>
Status ext_sized(const char*& p, const char* end, Token& token) {
  T size;
  uint8_t kind;
  if (!take(p, end, size) || !take(p, end, kind)) return Status::kTruncated;
  token.type = Type::kExt;
  token.count = size;
  token.ext_type = static_cast<int8_t>(kind);
  token.body = p;
  return Status::kOk;
}

Status fixext(const char*& p, const char* end, Token& token, uint32_t size) {
  uint8_t kind;
  if (!take(p, end, kind)) return Status::kTruncated;
  token.type = Type::kExt;
  token.count = size;
  token.ext_type = static_cast<int8_t>(kind);
  token.body = p;
  return Status::kOk;
}

template <class T>
Status unsigned_of(const char*& p, const char* end, Token& token) {
  T value;
  if (!take(p, end, value)) return Status::kTruncated;
  token.type = Type::kUint;
  token.unsigned_value = value;
  return Status::kOk;
}

void set_signed(Token& token, int64_t value) {
  if (value >= 0) {
    token.type = Type::kUint;
    token.unsigned_value = static_cast<uint64_t>(value);
  } else {
    token.type = Type::kInt;
    token.signed_value = value;
  }
}

template <class T, class Signed>
Status signed_of(const char*& p, const char* end, Token& token) {
  T value;
  if (!take(p, end, value)) return Status::kTruncated;
  set_signed(token, static_cast<Signed>(value));
  return Status::kOk;
}

Status float_of(const char*& p, const char* end, Token& token, bool wide) {
  if (wide) {
    uint64_t bits;
    if (!take(p, end, bits)) return Status::kTruncated;
    token.type = Type::kFloat64;
    token.float_value = std::bit_cast<double>(bits);
  } else {
    uint32_t bits;
    if (!take(p, end, bits)) return Status::kTruncated;
    token.type = Type::kFloat32;
    token.float_value = static_cast<double>(std::bit_cast<float>(bits));
  }
  return Status::kOk;
}

// Lead bytes ca to d3.
Status read_number(uint8_t lead, const char*& p, const char* end, Token& token) {
  switch (lead) {
    case 0xca:
      return float_of(p, end, token, false);
    case 0xcb:
      return float_of(p, end, token, true);
    case 0xcc:
      return unsigned_of<uint8_t>(p, end, token);
    case 0xcd:
      return unsigned_of<uint16_t>(p, end, token);
    case 0xce:
      return unsigned_of<uint32_t>(p, end, token);
    case 0xcf:
      return unsigned_of<uint64_t>(p, end, token);
    case 0xd0:
      return signed_of<uint8_t, int8_t>(p, end, token);
    case 0xd1:
      return signed_of<uint16_t, int16_t>(p, end, token);
    case 0xd2:
      return signed_of<uint32_t, int32_t>(p, end, token);
    default:  // d3
      return signed_of<uint64_t, int64_t>(p, end, token);
  }
}

// Lead bytes c0 to df.
Status read_tagged(uint8_t lead, const char*& p, const char* end, Token& token) {
  if (lead >= 0xca && lead <= 0xd3) return read_number(lead, p, end, token);
  switch (lead) {
    case 0xc0:
      token.type = Type::kNil;
      return Status::kOk;
    case 0xc2:
    case 0xc3:
      token.type = Type::kBool;
      token.boolean = lead == 0xc3;
      return Status::kOk;
    case 0xc4:
      return sized<uint8_t>(p, end, token, Type::kBin);
    case 0xc5:
      return sized<uint16_t>(p, end, token, Type::kBin);
    case 0xc6:
      return sized<uint32_t>(p, end, token, Type::kBin);
    case 0xc7:
      return ext_sized<uint8_t>(p, end, token);
    case 0xc8:
      return ext_sized<uint16_t>(p, end, token);
    case 0xc9:
      return ext_sized<uint32_t>(p, end, token);
    case 0xd4:
      return fixext(p, end, token, 1);
    case 0xd5:
      return fixext(p, end, token, 2);
    case 0xd6:
      return fixext(p, end, token, 4);
    case 0xd7:
      return fixext(p, end, token, 8);
    case 0xd8:
      return fixext(p, end, token, 16);
    case 0xd9:
      return sized<uint8_t>(p, end, token, Type::kStr);
    case 0xda:
      return sized<uint16_t>(p, end, token, Type::kStr);
    case 0xdb:
      return sized<uint32_t>(p, end, token, Type::kStr);
    case 0xdc:
      return sized<uint16_t>(p, end, token, Type::kArray);
    case 0xdd:
      return sized<uint32_t>(p, end, token, Type::kArray);
    case 0xde:
      return sized<uint16_t>(p, end, token, Type::kMap);
    case 0xdf:
      return sized<uint32_t>(p, end, token, Type::kMap);
    default:
      return Status::kMalformed;  // c1
  }
}

}  // namespace

Status read_tagged_header(const char*& p, const char* end, Token& token) {
  const char* at = p + 1;
  const Status status = read_tagged(static_cast<uint8_t>(*p), at, end, token);
  if (status == Status::kOk) p = at;
  return status;
}

Status skip(const char*& p, const char* end) {
  const char* at = p;
  uint64_t values_left = 1;
  Token token;
  while (values_left > 0) {
    // Every value takes at least one byte: more than are left cannot come.
    const auto bytes_left = static_cast<uint64_t>(end - at);
    if (values_left > bytes_left) return Status::kTruncated;
    --values_left;
    const auto lead = static_cast<uint8_t>(*at);
    if (lead < 0x80 || lead >= 0xe0) {
      ++at;
      continue;
    }
    if (lead >= 0xa0 && lead < 0xc0) {
      const uint64_t size = 1 + (lead & 0x1fU);
      if (size > bytes_left) return Status::kTruncated;
      at += size;
      continue;
    }
    const Status status = read(at, end, token);
    if (status != Status::kOk) return status;
    if (token.type == Type::kArray) values_left += token.count;
    if (token.type == Type::kMap) values_left += uint64_t{2} * token.count;
  }
  p = at;
  return Status::kOk;
}

}  // namespace millrace::msgpack_token
