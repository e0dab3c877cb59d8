// SPDX-License-Identifier: Apache-2.0
#pragma once

// One MessagePack token: the header of a value and, for a str, bin or ext, where its bytes lie.
// Reads forward only, never allocates, never follows a declared count; a container is its count and
// the caller walks on. Source: the MessagePack specification (msgpack/msgpack, spec.md, "Formats").
// Invariant: kOk means p <= token end <= end. Any thread; the views point into the input.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/endian.h"

namespace millrace::msgpack_token {

enum class Type : uint8_t {
  kNil,
  kBool,
  kUint,
  kInt,
  kFloat32,
  kFloat64,
  kStr,
  kBin,
  kArray,
  kMap,
  kExt
};

/// An ext that JSON mode makes of an integer beyond 64 bits: its decimal digits. From anybody else
/// it is an ext without a meaning, like most; who takes it must know where the bytes come from.
constexpr int8_t kExtDecimal = 100;

/// kTruncated: more bytes are needed to know; kMalformed: the byte c1, which no value starts with.
enum class Status : uint8_t { kOk, kTruncated, kMalformed };

struct Token {
  Type type = Type::kNil;
  int8_t ext_type = 0;          // kExt
  bool boolean = false;         // kBool
  uint32_t count = 0;           // kArray: elements; kMap: pairs; kStr, kBin, kExt: bytes declared
  uint64_t unsigned_value = 0;  // kUint (any value >= 0, whatever its width or sign on the wire)
  int64_t signed_value = 0;     // kInt (always < 0)
  double float_value = 0;       // kFloat32 (widened), kFloat64
  const char* body = nullptr;   // kStr, kBin, kExt: first byte after the header

  std::string_view bytes() const { return {body, count}; }
};

inline bool is_decimal(const Token& token) {
  return token.type == Type::kExt && token.ext_type == kExtDecimal;
}

/// The lead bytes c0 to df, at `p`; not for others.
Status read_tagged_header(const char*& p, const char* end, Token& token);

/// Reads the header at `p` and sets `p` behind it. For str, bin and ext the bytes are NOT skipped
/// and may not have arrived yet: token.body == p, token.count tells how many there should be.
inline Status read_header(const char*& p, const char* end, Token& token) {
  if (p >= end) return Status::kTruncated;
  const auto lead = static_cast<uint8_t>(*p);
  if (lead >= 0xc0 && lead < 0xe0) return read_tagged_header(p, end, token);
  ++p;
  if (lead < 0x80) {
    token.type = Type::kUint;
    token.unsigned_value = lead;
  } else if (lead >= 0xe0) {
    token.type = Type::kInt;
    token.signed_value = static_cast<int8_t>(lead);
  } else if (lead >= 0xa0) {
    token.type = Type::kStr;
    token.count = lead & 0x1fU;
    token.body = p;
  } else {
    token.type = lead < 0x90 ? Type::kMap : Type::kArray;
    token.count = lead & 0x0fU;
    token.body = p;
  }
  return Status::kOk;
}

/// As read_header, and also requires and skips the bytes of a str, bin or ext.
inline Status read(const char*& p, const char* end, Token& token) {
  const char* at = p;
  const Status status = read_header(at, end, token);
  if (status != Status::kOk) return status;
  if (token.type == Type::kStr || token.type == Type::kBin || token.type == Type::kExt) {
    if (static_cast<size_t>(end - at) < token.count) return Status::kTruncated;
    at += token.count;
  }
  p = at;
  return Status::kOk;
}

/// Skips one whole value, containers included, without recursion: a container only adds to the
/// number of values still to pass.
Status skip(const char*& p, const char* end);

}  // namespace millrace::msgpack_token
