// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a connection of the forward protocol says, read slowly and plainly from the objects that
// msgpack-c makes of it, by the rules of message_reader.h, message_decoder.h and entry_reader.h.
// For tests that compare ours with it. Shares with the product what has judges of its own: the
// inflater, the splitter and rewriter of JSON mode, and the signatures of other protocols.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <msgpack.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "input/forward/entry_reader.h"
#include "input/forward/foreign.h"
#include "input/forward/message_reader.h"
#include "tests/support/frame_judge.h"

namespace millrace::testing {

inline std::string repacked(const msgpack::object& object) {
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, object);
  return {buffer.data(), buffer.size()};
}

/// Equal texts for equal values; `packed` begins with a whole one.
inline std::string repacked(std::string_view packed) {
  return repacked(msgpack::unpack(packed.data(), packed.size()).get());
}

struct JudgedEntries {
  enum class End : uint8_t { kWhole, kCut, kMalformed, kCutOrMalformed };

  struct Entry {
    EventTime time;
    std::string record;  // repacked
  };
  std::vector<Entry> entries;
  input::EntryCounts counts;  // without `truncated`
  End end = End::kWhole;
};

struct JudgedStep {
  using Kind = input::Step::Kind;

  Kind kind = Kind::kNeedMore;
  bool or_need_more = false;
  uint64_t size = 0;
  input::CloseReason reason = input::CloseReason::kMalformed;
  bool signal = false;  // kDropped: for that reason
  input::Mode mode = input::Mode::kMessage;
  std::string tag;
  std::string chunk;                      // repacked; empty: none
  std::optional<std::string> chunk_text;  // of a string or bin
  bool odd_option = false;
  std::optional<uint64_t> size_option;
  bool decimals = false;
  JudgedEntries entries;  // kMessage
};

/// The entries of a message, packed ones or those of an array's elements.
class EntriesJudge {
 public:
  explicit EntriesJudge(EventTime now) : now_(now) {}

  JudgedEntries packed(std::string_view bytes) {
    using Kind = Judged::Kind;
    while (!bytes.empty()) {
      const Judged value = judge_value(bytes);
      if (value.kind != Kind::kWhole) {
        const bool lacking = judge_last_value(bytes).kind == Kind::kCut;
        out_.end = value.kind == Kind::kCut ? JudgedEntries::End::kCut
                   : lacking                ? JudgedEntries::End::kCutOrMalformed
                                            : JudgedEntries::End::kMalformed;
        break;
      }
      entry(msgpack::unpack(bytes.data(), value.size).get());
      bytes.remove_prefix(value.size);
    }
    return out_;
  }

  JudgedEntries elements(const msgpack::object_array& array) {
    for (uint32_t i = 0; i < array.size; ++i) entry(array.ptr[i]);
    return out_;
  }

  JudgedEntries pair(const msgpack::object& time, const msgpack::object& record) {
    event(time, record);
    return out_;
  }

 private:
  struct Time {
    EventTime time;
    bool marker = false;
  };

  void entry(const msgpack::object& object) {
    if (object.type != msgpack::type::ARRAY || object.via.array.size < 2) {
      ++out_.counts.not_an_entry;
    } else {
      event(object.via.array.ptr[0], object.via.array.ptr[1]);
    }
  }

  void event(const msgpack::object& head, const msgpack::object& record) {
    const bool has_header = head.type == msgpack::type::ARRAY && head.via.array.size > 0;
    auto time = time_of(has_header ? head.via.array.ptr[0] : head);
    if (!time) {
      ++out_.counts.invalid_time;
    } else if (has_header && time->marker) {
      return;
    } else if (record.type != msgpack::type::MAP) {
      ++out_.counts.not_a_map;
    } else {
      if (time->time.seconds == 0) time->time = now_;
      if (time->time.seconds > 253'402'300'799) ++out_.counts.odd_times;
      out_.entries.push_back({time->time, repacked(record)});
    }
  }

  static std::optional<Time> time_of(const msgpack::object& object) {
    switch (object.type) {
      case msgpack::type::POSITIVE_INTEGER:
        return Time{{static_cast<int64_t>(std::min<uint64_t>(object.via.u64, INT64_MAX)), 0}};
      case msgpack::type::NEGATIVE_INTEGER:
        return Time{{object.via.i64, 0}};
      case msgpack::type::FLOAT32:
      case msgpack::type::FLOAT64: {
        const double value = object.via.f64;
        if (!std::isfinite(value) || value < 0) return std::nullopt;
        if (value >= 0x1p63) return Time{{INT64_MAX, 0}};
        const double whole = std::floor(value);
        return carried(static_cast<uint64_t>(whole),
                       static_cast<uint64_t>(std::llround((value - whole) * 1e9)));
      }
      case msgpack::type::EXT: {
        if (object.via.ext.type() != 0 || object.via.ext.size != 8) return std::nullopt;
        const auto seconds = load_be<uint32_t>(object.via.ext.data());
        const auto nanoseconds = load_be<uint32_t>(object.via.ext.data() + 4);
        Time time = carried(seconds, seconds == 0 ? 0 : nanoseconds);
        time.marker = seconds >= 0xfffffffe && nanoseconds == 0;
        return time;
      }
      default:
        return std::nullopt;
    }
  }

  static Time carried(uint64_t seconds, uint64_t nanoseconds) {
    constexpr uint64_t kSecond = 1'000'000'000;
    return {{static_cast<int64_t>(seconds + nanoseconds / kSecond),
             static_cast<uint32_t>(nanoseconds % kSecond)}};
  }

  const EventTime now_;
  JudgedEntries out_;
};

/// One connection.
class ForwardJudge {
 public:
  using Kind = JudgedStep::Kind;
  using Reason = input::CloseReason;

  ForwardJudge(uint64_t frame_limit, input::Inflater& inflater, EventTime now)
      : frame_limit_(frame_limit), inflater_(inflater), now_(now) {}

  /// `bytes`, not empty, begin where the last step ended, and nothing comes behind them.
  JudgedStep next(std::string_view bytes) {
    if (first_) {
      first_ = false;
      is_json_ = bytes[0] == '{' || bytes[0] == '[';
      const auto match = input::recognise_foreign(bytes).match;
      const bool no_message = static_cast<unsigned char>(bytes[0]) < 0x80 && !is_json_;
      if (no_message && match == input::Foreign::Match::kYes) return close(Reason::kForeign);
      if (no_message && match == input::Foreign::Match::kNeedMore) return {};
    }
    return is_json_ ? json(bytes) : frame(bytes);
  }

 private:
  static JudgedStep close(Reason reason) {
    JudgedStep step;
    step.kind = Kind::kClose;
    step.reason = reason;
    return step;
  }

  JudgedStep frame(std::string_view bytes) {
    using Status = JudgedFrame::Status;
    const JudgedFrame frame = judge_frame(bytes, frame_limit_);
    JudgedStep step;
    if (frame.status == Status::kFrame) {
      step = message(bytes.substr(0, frame.size));
    } else if (frame.status != Status::kNeedMore) {
      step = close(frame.status == Status::kTooLarge ? Reason::kFrameLimit : Reason::kMalformed);
    }
    step.size = frame.size;
    step.or_need_more = frame.either;
    return step;
  }

  JudgedStep json(std::string_view bytes) {
    using Status = input::JsonSplitter::Status;
    input::JsonSplitter splitter(frame_limit_);
    const Status status = splitter.scan(bytes);
    JudgedStep step;
    if (status == Status::kNotMessage) return close(Reason::kNotMessage);
    if (status == Status::kTooLarge) return close(Reason::kFrameLimit);
    if (status == Status::kMalformed) return close(Reason::kMalformed);
    if (status == Status::kNeedMore) return step;
    if (status == Status::kValue) {
      if (!rewriter_.rewrite(bytes.substr(0, splitter.size()))) return close(Reason::kMalformed);
      step = message(rewriter_.output());
      step.decimals = step.mode == input::Mode::kMessage || step.mode == input::Mode::kForward;
      step.mode = input::Mode::kJson;
    } else {
      step.kind = Kind::kNothing;
    }
    step.size = splitter.size();
    return step;
  }

  static std::optional<std::string_view> text_of(const msgpack::object& object) {
    if (object.type == msgpack::type::STR) {
      return std::string_view(object.via.str.ptr, object.via.str.size);
    }
    if (object.type != msgpack::type::BIN) return std::nullopt;
    return std::string_view(object.via.bin.ptr, object.via.bin.size);
  }

  JudgedStep message(std::string_view frame) {
    const msgpack::object_handle handle = msgpack::unpack(frame.data(), frame.size());
    const msgpack::object& object = handle.get();
    JudgedStep step;
    step.kind = Kind::kNothing;
    if (object.type == msgpack::type::NIL || frame == "\x92\xa0\x90") return step;
    if (object.type != msgpack::type::ARRAY) return close(Reason::kNotMessage);
    step.kind = Kind::kMessage;
    const msgpack::object_array& array = object.via.array;
    if (array.size < 2 || !text_of(array.ptr[0])) step.kind = Kind::kDropped;
    if (array.size < 2) return step;
    step.tag = text_of(array.ptr[0]).value_or("");
    const msgpack::object& second = array.ptr[1];
    const std::optional<std::string_view> payload = text_of(second);
    step.mode = payload                               ? input::Mode::kPacked
                : second.type == msgpack::type::ARRAY ? input::Mode::kForward
                                                      : input::Mode::kMessage;
    const uint32_t option = step.mode == input::Mode::kMessage ? 3 : 2;
    if (option == 3 && array.size < 3) step.kind = Kind::kDropped;
    compression_ = "text";
    if (option < array.size) options(step, array.ptr[option]);
    if (step.kind != Kind::kMessage) return step;
    if (payload) {
      unpack(step, *payload);
    } else if (step.mode == input::Mode::kForward) {
      step.entries = EntriesJudge(now_).elements(second.via.array);
    } else {
      step.entries = EntriesJudge(now_).pair(second, array.ptr[2]);
    }
    return step;
  }

  void options(JudgedStep& step, const msgpack::object& object) {
    if (object.type != msgpack::type::MAP) {
      step.odd_option = object.type != msgpack::type::NIL;
      return;
    }
    bool signal = false;
    for (uint32_t i = 0; i < object.via.map.size; ++i) {
      const std::string_view key = text_of(object.via.map.ptr[i].key).value_or("");
      const msgpack::object& value = object.via.map.ptr[i].val;
      const std::optional<std::string_view> text = text_of(value);
      const bool is_uint = value.type == msgpack::type::POSITIVE_INTEGER;
      if (key == "chunk") {
        const bool is_int = is_uint || value.type == msgpack::type::NEGATIVE_INTEGER;
        const bool is_id = is_int || (text && text->size() <= 1024);
        const bool is_none = value.type == msgpack::type::NIL ||
                             (value.type == msgpack::type::BOOLEAN && !value.via.boolean);
        step.chunk = is_id ? repacked(value) : "";
        step.chunk_text.reset();
        if (is_id && text) step.chunk_text = std::string(*text);
        step.odd_option = !is_id && !is_none;
      } else if (key == "compressed") {
        compression_ = value.type == msgpack::type::NIL ? "text" : text.value_or("");
      } else if (key == "size") {
        step.size_option.reset();
        if (is_uint) step.size_option = value.via.u64;
      } else if (key == "fluent_signal") {
        signal = is_uint && value.via.u64 != 0;
      }
    }
    if (step.kind != Kind::kMessage || !signal) return;
    step.kind = Kind::kDropped;
    step.signal = true;
  }

  void unpack(JudgedStep& step, std::string_view payload) {
    using input::Compression;
    using Status = input::Inflater::Status;
    if (compression_ == "text") {
      step.entries = EntriesJudge(now_).packed(payload);
      return;
    }
    step.kind = Kind::kUndecodable;
    step.reason = Reason::kUnknownCompression;
    if (compression_ != "gzip" && compression_ != "zstd") return;
    step.mode = input::Mode::kCompressed;
    const bool gzip = compression_ == "gzip";
    const Status status = inflater_.unpack(gzip ? Compression::kGzip : Compression::kZstd, payload);
    step.reason = status == Status::kCorrupt          ? Reason::kInflateCorrupt
                  : status == Status::kTooLarge       ? Reason::kInflateLimit
                  : status == Status::kTooManyMembers ? Reason::kInflateMembers
                  : status == Status::kWindowTooLarge ? Reason::kInflateWindow
                                                      : Reason::kInflateRatio;
    if (status != Status::kOk) return;
    step.kind = Kind::kMessage;
    step.entries = EntriesJudge(now_).packed(inflater_.output());
  }

  const uint64_t frame_limit_;
  input::Inflater& inflater_;
  input::JsonRewriter rewriter_;
  const EventTime now_;
  std::string compression_;  // of the message being read
  bool first_ = true;
  bool is_json_ = false;
};

}  // namespace millrace::testing
