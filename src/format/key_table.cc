// SPDX-License-Identifier: Apache-2.0
#include "format/key_table.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>
#include <string_view>

#include "base/check.h"
#include "base/msgpack_token.h"

namespace millrace::format {
namespace {

using msgpack_token::Token;
using msgpack_token::Type;

constexpr size_t kSlotsMin = 64;
constexpr size_t kPairsKept = 4096;  // capacity that one odd record may leave behind

// What makes two keys the same: the class, and the bytes of `view`, or of `number`.
struct Identity {
  Type type;
  char number[8];
  std::string_view view;

  bool operator==(const Identity& other) const { return type == other.type && view == other.view; }
};

void set_number(Identity& identity, Type type, uint64_t bits) {
  identity.type = type;
  std::memcpy(identity.number, &bits, sizeof bits);
  identity.view = {identity.number, sizeof identity.number};
}

void identify(const char* key, const char* end, Identity& identity) {
  const char* at = key;
  Token token;
  CHECK(msgpack_token::read(at, end, token) == msgpack_token::Status::kOk);
  identity.type = token.type;
  switch (token.type) {
    case Type::kStr:
    case Type::kBin:
      identity.type = Type::kStr;
      identity.view = token.bytes();
      return;
    case Type::kUint:
      return set_number(identity, Type::kUint, token.unsigned_value);
    case Type::kInt:
      return set_number(identity, Type::kInt, static_cast<uint64_t>(token.signed_value));
    case Type::kFloat32:
    case Type::kFloat64:
      return set_number(identity, Type::kFloat64, std::bit_cast<uint64_t>(token.float_value));
    default: {
      const char* after = key;
      CHECK(msgpack_token::skip(after, end) == msgpack_token::Status::kOk);
      identity.view = {key, static_cast<size_t>(after - key)};
    }
  }
}

uint32_t hash_of(const Identity& identity, uint64_t seed) {
  const uint64_t hash = XXH3_64bits_withSeed(identity.view.data(), identity.view.size(), seed);
  return static_cast<uint32_t>(hash) + static_cast<uint32_t>(identity.type);
}

}  // namespace

// The seed changes no byte of the output.
KeyTable::KeyTable() : seed_((uint64_t{std::random_device()()} << 32) | std::random_device()()) {}

void KeyTable::clear(uint64_t work) {
  pairs_.clear();
  if (pairs_.capacity() > kPairsKept) {
    pairs_.shrink_to_fit();
    slots_ = {};
  }
  work_left_ = work;
}

void KeyTable::grow_slots(const Range& range) {
  slots_.assign(slots_.empty() ? kSlotsMin : slots_.size() * 2, 0);
  const size_t mask = slots_.size() - 1;
  for (size_t index = range.first; index < pairs_.size(); ++index) {
    size_t slot = pairs_[index].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(index + 1);
  }
}

// The pair that holds this key, new or not; null when the budget is used up.
KeyTable::Pair* KeyTable::find_or_add(const char* key, const char* end, const Range& range) {
  if ((pairs_.size() - range.first) * 2 >= slots_.size()) grow_slots(range);
  Identity wanted;
  identify(key, end, wanted);
  const uint32_t hash = hash_of(wanted, seed_);
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    Pair& held = pairs_[slots_[slot] - 1];
    const uint64_t cost = held.hash == hash ? 16 + wanted.view.size() : 1;
    if (work_left_ < cost) return nullptr;
    work_left_ -= cost;
    if (held.hash != hash) continue;
    Identity there;
    identify(held.key, end, there);
    if (there == wanted) return &held;
  }
  pairs_.push_back({key, nullptr, hash});
  slots_[slot] = static_cast<uint32_t>(pairs_.size());
  return &pairs_.back();
}

KeyTable::Status KeyTable::collect(const char*& in, const char* end, uint32_t count,
                                   size_t pairs_max, Range& range) {
  range.first = pairs_.size();
  slots_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const char* const key = in;
    CHECK(msgpack_token::skip(in, end) == msgpack_token::Status::kOk);
    Pair* const pair = find_or_add(key, end, range);
    if (pair == nullptr) return Status::kTooMuch;
    pair->value = in;
    CHECK(msgpack_token::skip(in, end) == msgpack_token::Status::kOk);
    const auto bytes = static_cast<uint64_t>(in - key);
    if (work_left_ < bytes) return Status::kTooMuch;
    work_left_ -= bytes;
    if (pairs_.size() > pairs_max) return Status::kTooMany;
  }
  range.last = pairs_.size();
  return Status::kOk;
}

}  // namespace millrace::format
