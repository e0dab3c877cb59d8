// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two pairs that every record gets: its time, then its tag (options inject, time_key, tag_key).
// A record that has an equal key keeps the key's place and loses its value, as with Ruby's Hash#[]=
// (fluentd, lib/fluent/plugin_helper/inject.rb). Holds the JSON of names and tag ready to be
// copied, so that an event costs two short copies and the digits of its time. Owned by one thread.
// Invariant: the prepared texts are those of the options and of the last set_tag().

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/event_time.h"
#include "config/model.h"
#include "format/rfc3339.h"

namespace millrace::format {

/// JSON text with 16 readable bytes behind it, copied in blocks of 16.
class PaddedText {
 public:
  void set(std::string text);
  std::string_view view() const { return {bytes_.data(), size_}; }
  /// Copies it to `out`, where there must be room for size + 16, and returns its end.
  char* put(char* out) const;

 private:
  std::string bytes_;
  size_t size_ = 0;
};

class Injection {
 public:
  /// What a record's key means here.
  enum class Match : uint8_t { kNone, kTime, kTag };

  /// An empty key name, or inject = false, leaves that pair out. Of two equal names the tag wins.
  explicit Injection(const config::Format& options);

  /// Prepares the JSON of `tag`; free of cost for the tag of the call before.
  void set_tag(std::string_view tag);
  void set_time(EventTime time) { time_ = time; }

  bool has_time() const { return has_time_; }
  bool has_tag() const { return has_tag_; }
  const std::string& time_key() const { return time_key_; }
  const std::string& tag_key() const { return tag_key_; }
  Match match(std::string_view key) const;
  /// Strings of each record that hold a replaced byte because of the tag: 0 or 1.
  uint64_t tag_replaced() const { return has_tag_ && tag_replaced_ ? 1 : 0; }

  /// Room that put_pairs() needs.
  size_t room_bytes() const { return room_bytes_; }
  /// The pairs asked for, each with a comma behind it.
  char* put_pairs(bool time, bool tag, char* out);
  /// The same as a text that the next call overwrites.
  std::string_view pairs_text(bool time, bool tag);

 private:
  void prepare_tag();

  bool has_time_;
  bool has_tag_;
  bool tag_replaced_ = false;  // tag_ is not UTF-8
  std::string time_key_;
  std::string tag_key_;
  std::string tag_;
  std::string tag_name_json_;  // "tag":
  PaddedText time_name_;       // "time":"
  PaddedText tag_pair_;        // "tag":"app.web",
  size_t room_bytes_ = 0;
  std::string pairs_;  // of pairs_text()
  EventTime time_;
  Rfc3339Writer writer_;
};

}  // namespace millrace::format
