// SPDX-License-Identifier: Apache-2.0
#pragma once

// A second writer of records, slow and plain: a tree from msgpack-c, then JSON text by the rules of
// json_formatter.h. Judges the real one in tests; shares no code with it but UTF-8 repair, which
// has tests of its own, and Ruby's digits, which are read back here.

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <msgpack.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/event_time.h"
#include "base/utf8.h"
#include "format/format_result.h"
#include "format/json_number.h"

namespace millrace::format::reference {

using Pairs = std::vector<std::pair<std::string, std::string>>;  // name, and value as JSON

inline std::string json_text(std::string_view text, bool raw = false) {
  std::string out = "\"";
  for (const char c : raw ? std::string(text) : utf8_repaired(text)) {
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

/// RFC 3339, and ISO 8601 for other years; empty for one that libc does not know.
inline std::string time_text(EventTime time) {
  const std::time_t seconds = time.seconds;
  std::tm at{};
  if (gmtime_r(&seconds, &at) == nullptr) return "";
  const long long year = at.tm_year + 1900LL;
  char text[64];
  size_t size = static_cast<size_t>(
      std::snprintf(text, sizeof text, year < 0 || year > 9999 ? "%+05lld" : "%04lld", year));
  size += std::strftime(text + size, sizeof text - size, "-%m-%dT%H:%M:%S", &at);
  if (time.nanoseconds != 0) {
    std::snprintf(text + size, sizeof text - size, ".%09u", time.nanoseconds);
  }
  return std::string(text) + "Z";
}

inline std::string ruby_float(double value) {
  char room[kNumberRoomBytes];
  std::string text(room, put_ruby_float(room, value));
  if (std::isfinite(value)) CHECK(std::strtod(text.c_str(), nullptr) == value);
  return text;
}

inline bool is_text(const msgpack::object& object) {
  return object.type == msgpack::type::STR || object.type == msgpack::type::BIN;
}

inline bool is_float(const msgpack::object& object) {
  return object.type == msgpack::type::FLOAT32 || object.type == msgpack::type::FLOAT64;
}

inline std::string bytes(const msgpack::object& object) {
  return object.type == msgpack::type::STR ? std::string(object.via.str.ptr, object.via.str.size)
                                           : std::string(object.via.bin.ptr, object.via.bin.size);
}

class Writer {
 public:
  /// `raw`: json_compat "oj".
  explicit Writer(bool raw = false) : raw_(raw) {}

  /// The record, a whole map, with `injected` put in as Ruby's Hash#[]= does.
  std::string record(std::string_view packed, const Pairs& injected) {
    depth_ = key_depth_ = 0;
    too_deep_ = unsure_ = false;
    const msgpack::object_handle handle = msgpack::unpack(packed.data(), packed.size());
    return map(handle.get(), injected);
  }

  /// Of the last record: it has more levels than the formatter takes, and its text is not all of
  /// it.
  bool too_deep() const { return too_deep_; }
  /// Of the last record: this writer cannot know its text. Containers and exts that are equal as
  /// keys here may have other bytes; a date may be beyond libc's.
  bool unsure() const { return unsure_; }

 private:
  struct Pair {
    const msgpack::object* key;
    const msgpack::object* value;
    const std::pair<std::string, std::string>* injected;
  };

  std::string number(double value) const {
    if (!std::isfinite(value)) return raw_ ? ruby_float(value) : "null";
    if (value == 0) return "0.0";
    if (value >= -0x1p63 && value < 0x1p63 && std::trunc(value) == value) {
      char text[64];
      std::snprintf(text, sizeof text, "%.1f", value);
      return text;
    }
    return ruby_float(value);
  }

  // Seconds for an EventTime, text for a timestamp of MessagePack, else nothing.
  std::string ext(const msgpack::object_ext& object) {
    const auto big_endian = [&object](uint32_t from, uint32_t size) {
      uint64_t value = 0;
      for (uint32_t i = from; i < from + size; ++i) {
        value = value << 8 | static_cast<uint8_t>(object.data()[i]);
      }
      return value;
    };
    if (object.type() == 0 && object.size == 8) return std::to_string(big_endian(0, 4));
    if (object.type() != -1) return "";
    EventTime time;
    if (object.size == 4) {
      time.seconds = static_cast<int64_t>(big_endian(0, 4));
    } else if (object.size == 8) {
      time.seconds = static_cast<int64_t>(big_endian(0, 8) % (1ULL << 34));
      time.nanoseconds = static_cast<uint32_t>(big_endian(0, 8) >> 34);
    } else if (object.size == 12) {
      time.seconds = static_cast<int64_t>(big_endian(4, 8));
      time.nanoseconds = static_cast<uint32_t>(big_endian(0, 4));
    } else {
      return "";
    }
    if (time.nanoseconds >= 1'000'000'000) return "";
    const std::string text = time_text(time);
    unsure_ |= text.empty();
    return '"' + text + '"';
  }

  std::string key(const msgpack::object& object) {
    switch (object.type) {
      case msgpack::type::NIL:
        return "\"\"";
      case msgpack::type::FLOAT32:
      case msgpack::type::FLOAT64:
        return json_text(ruby_float(object.via.f64));
      case msgpack::type::EXT: {
        const std::string text = ext(object.via.ext);
        return text.starts_with('"') ? text : json_text(text);
      }
      case msgpack::type::ARRAY:
      case msgpack::type::MAP: {
        too_deep_ |= key_depth_ == kKeyNestingMax;
        if (too_deep_) return "";
        ++key_depth_;
        const std::string text = value(object);
        --key_depth_;
        return json_text(text, raw_);
      }
      default:
        return is_text(object) ? json_text(bytes(object), raw_) : json_text(value(object));
    }
  }

  // Equal keys have equal identities.
  static std::string identity(const msgpack::object& object) {
    if (is_text(object)) return "s" + bytes(object);
    if (is_float(object)) return "f" + std::to_string(std::bit_cast<uint64_t>(object.via.f64));
    msgpack::sbuffer buffer;
    msgpack::pack(buffer, object);
    return std::string("o").append(buffer.data(), buffer.size());
  }

  std::vector<Pair> pairs_of(const msgpack::object& object, const Pairs& injected) {
    std::vector<Pair> pairs;
    std::map<std::string, size_t> places;
    for (uint32_t i = 0; i < object.via.map.size; ++i) {
      const msgpack::object_kv& pair = object.via.map.ptr[i];
      const auto [place, added] = places.emplace(identity(pair.key), pairs.size());
      if (added) pairs.push_back({&pair.key, nullptr, nullptr});
      pairs[place->second].value = &pair.val;
      unsure_ |=
          !added && (pair.key.type == msgpack::type::EXT || pair.key.type == msgpack::type::ARRAY ||
                     pair.key.type == msgpack::type::MAP);
    }
    for (const auto& pair : injected) {
      const auto [place, added] = places.emplace("s" + pair.first, pairs.size());
      if (added) pairs.emplace_back();
      pairs[place->second].injected = &pair;
    }
    return pairs;
  }

  std::string map(const msgpack::object& object, const Pairs& injected) {
    if (!enter()) return "";
    std::string out = "{";
    for (const Pair& pair : pairs_of(object, injected)) {
      if (out.size() > 1) out += ',';
      if (pair.injected != nullptr) {
        out += json_text(pair.injected->first) + ':' + pair.injected->second;
      } else {
        out += key(*pair.key) + ':';
        out += value(*pair.value);
      }
      if (too_deep_) return "";
    }
    --depth_;
    return out + '}';
  }

  std::string array(const msgpack::object& object) {
    if (!enter()) return "";
    std::string out = "[";
    for (uint32_t i = 0; i < object.via.array.size && !too_deep_; ++i) {
      if (i > 0) out += ',';
      out += value(object.via.array.ptr[i]);
    }
    --depth_;
    return out + ']';
  }

  bool enter() {
    too_deep_ |= depth_ == kNestingMax;
    ++depth_;
    return !too_deep_;
  }

  std::string value(const msgpack::object& object) {
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
        return json_text(bytes(object), raw_);
      case msgpack::type::EXT: {
        const std::string text = ext(object.via.ext);
        return text.empty() ? "null" : text;
      }
      case msgpack::type::ARRAY:
        return array(object);
      case msgpack::type::MAP:
        return map(object, {});
    }
    return "";
  }

  const bool raw_;
  int depth_ = 0;
  int key_depth_ = 0;
  bool too_deep_ = false;
  bool unsure_ = false;
};

}  // namespace millrace::format::reference
