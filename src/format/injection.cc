// SPDX-License-Identifier: Apache-2.0
#include "format/injection.h"

#include <cstring>

#include "format/json_string.h"

namespace millrace::format {

void PaddedText::set(std::string text) {
  size_ = text.size();
  bytes_ = std::move(text);
  bytes_.resize(size_ + kBlockBytes);
}

char* PaddedText::put(char* out) const {
  for (size_t at = 0; at < size_; at += kBlockBytes) {
    std::memcpy(out + at, bytes_.data() + at, kBlockBytes);
  }
  return out + size_;
}

Injection::Injection(const config::Format& options)
    : has_time_(options.inject && !options.time_key.empty() && options.time_key != options.tag_key),
      has_tag_(options.inject && !options.tag_key.empty()),
      time_key_(options.time_key),
      tag_key_(options.tag_key) {
  bool replaced = false;
  time_name_.set(json_string(time_key_, replaced) + ":\"");
  tag_name_json_ = json_string(tag_key_, replaced) + ':';
  prepare_tag();
}

void Injection::set_tag(std::string_view tag) {
  if (tag == tag_) return;
  tag_ = tag;
  prepare_tag();
}

void Injection::prepare_tag() {
  tag_replaced_ = false;
  tag_pair_.set(tag_name_json_ + json_string(tag_, tag_replaced_) + ',');
  room_bytes_ =
      time_name_.view().size() + kRfc3339RoomBytes + 2 + tag_pair_.view().size() + 2 * kBlockBytes;
}

Injection::Match Injection::match(std::string_view key) const {
  if (has_time_ && key == time_key_) return Match::kTime;
  if (has_tag_ && key == tag_key_) return Match::kTag;
  return Match::kNone;
}

char* Injection::put_pairs(bool time, bool tag, char* out) {
  if (time) {
    out = writer_.write(time_, time_name_.put(out));
    *out++ = '"';
    *out++ = ',';
  }
  return tag ? tag_pair_.put(out) : out;
}

std::string_view Injection::pairs_text(bool time, bool tag) {
  pairs_.resize(room_bytes_);
  const char* const end = put_pairs(time, tag, pairs_.data());
  return {pairs_.data(), static_cast<size_t>(end - pairs_.data())};
}

}  // namespace millrace::format
