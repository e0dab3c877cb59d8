// SPDX-License-Identifier: Apache-2.0
#pragma once

// A second writer of records, slow and plain: a tree from msgpack-c, then JSON text by the rules of
// json_formatter.h (valid mode). Judges the real one in tests; shares no code with it but UTF-8
// repair and Ruby's digits, which have tests of their own.

#include <cmath>
#include <cstdio>
#include <map>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "format/json_number.h"

namespace millrace::format::reference {

inline std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : utf8_repaired(text)) {
    const std::string_view known = "\b\t\n\f\r\"\\";
    const size_t at = known.find(c);
    if (at != std::string_view::npos) {
      out += std::string("\\") + "btnfr\"\\"[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\u%04x", c);
      out += hex;
    } else {
      out += c;
    }
  }
  return out + '"';
}

inline std::string ruby_float(double value) {
  char room[kNumberRoomBytes];
  return {room, put_ruby_float(room, value)};
}

inline std::string number(double value) {
  if (!std::isfinite(value)) return "null";
  if (value == 0) return "0.0";
  if (value >= -0x1p63 && value < 0x1p63 && std::trunc(value) == value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
  }
  return ruby_float(value);
}

inline std::string ext(const msgpack::object& object) {
  if (object.via.ext.type() != 0 || object.via.ext.size != 8) return "null";
  uint64_t seconds = 0;
  for (int i = 0; i < 4; ++i)
    seconds = seconds << 8 | static_cast<uint8_t>(object.via.ext.data()[i]);
  return std::to_string(seconds);
}

std::string value(const msgpack::object& object);

inline bool is_text(const msgpack::object& object) {
  return object.type == msgpack::type::STR || object.type == msgpack::type::BIN;
}

inline std::string bytes(const msgpack::object& object) {
  return object.type == msgpack::type::STR ? std::string(object.via.str.ptr, object.via.str.size)
                                           : std::string(object.via.bin.ptr, object.via.bin.size);
}

inline std::string key(const msgpack::object& object) {
  switch (object.type) {
    case msgpack::type::NIL:
      return "\"\"";
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      return quoted(ruby_float(object.via.f64));
    case msgpack::type::EXT: {
      const std::string text = ext(object);
      return quoted(text == "null" ? "" : text);
    }
    default:
      return is_text(object) ? quoted(bytes(object)) : quoted(value(object));
  }
}

// Equal keys have equal identities. Containers and exts are told apart by how they look in C++,
// which is enough for what the generator makes.
inline std::string identity(const msgpack::object& object) {
  if (is_text(object)) return "s" + bytes(object);
  if (object.type == msgpack::type::FLOAT32 || object.type == msgpack::type::FLOAT64) {
    char text[64];
    std::snprintf(text, sizeof text, "f%a", object.via.f64);
    return text;
  }
  std::string packed = "o";
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, object);
  return packed.append(buffer.data(), buffer.size());
}

using Pairs = std::vector<std::pair<std::string, std::string>>;  // key and value as JSON

inline std::string object_text(const Pairs& pairs) {
  std::string out = "{";
  for (const auto& [name, text] : pairs) {
    if (out.size() > 1) out += ',';
    out.append(name).append(":").append(text);
  }
  return out + '}';
}

inline Pairs pairs_of(const msgpack::object& object, std::map<std::string, size_t>& places) {
  Pairs pairs;
  for (uint32_t i = 0; i < object.via.map.size; ++i) {
    const msgpack::object_kv& pair = object.via.map.ptr[i];
    const auto [place, added] = places.emplace(identity(pair.key), pairs.size());
    if (added) pairs.push_back({key(pair.key), ""});
    pairs[place->second].second = value(pair.val);
  }
  return pairs;
}

inline std::string value(const msgpack::object& object) {
  switch (object.type) {
    case msgpack::type::NIL:
      return "null";
    case msgpack::type::BOOLEAN:
      return object.via.boolean ? "true" : "false";
    case msgpack::type::POSITIVE_INTEGER:
      return std::to_string(object.via.u64);
    case msgpack::type::NEGATIVE_INTEGER:
      return std::to_string(object.via.i64);
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      return number(object.via.f64);
    case msgpack::type::STR:
    case msgpack::type::BIN:
      return quoted(bytes(object));
    case msgpack::type::EXT:
      return ext(object);
    case msgpack::type::ARRAY: {
      std::string out = "[";
      for (uint32_t i = 0; i < object.via.array.size; ++i) {
        if (i > 0) out += ',';
        out += value(object.via.array.ptr[i]);
      }
      return out + ']';
    }
    case msgpack::type::MAP: {
      std::map<std::string, size_t> places;
      return object_text(pairs_of(object, places));
    }
  }
  return "";
}

/// The record as JSON, with `injected` (names and JSON values) put in as Ruby's Hash#[]= does.
inline std::string record(const std::string& packed, const Pairs& injected) {
  const msgpack::object_handle handle = msgpack::unpack(packed.data(), packed.size());
  std::map<std::string, size_t> places;
  Pairs pairs = pairs_of(handle.get(), places);
  for (const auto& [name, text] : injected) {
    const auto [place, added] = places.emplace("s" + name, pairs.size());
    if (added) pairs.push_back({quoted(name), ""});
    pairs[place->second].second = text;
  }
  return object_text(pairs);
}

}  // namespace millrace::format::reference
