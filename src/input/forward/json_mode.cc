// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_mode.h"

#include <bit>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/endian.h"
#include "base/utf8.h"

namespace millrace::input {
namespace {

constexpr size_t kKeptCapacity = size_t{1} << 20;

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

template <class T>
void append_be(std::string& out, char lead, T value) {
  char bytes[1 + sizeof(T)];
  bytes[0] = lead;
  store_be<T>(bytes + 1, value);
  out.append(bytes, sizeof bytes);
}

// Receives the values of one text in order (nlohmann::json's SAX interface) and writes each as
// MessagePack. Containers get 32-bit counts, filled in when they end.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  bool null() { return scalar('\xc0'); }
  bool boolean(bool value) { return scalar(value ? '\xc3' : '\xc2'); }
  bool number_integer(int64_t value) {
    count_value();
    append_be(out_, '\xd3', static_cast<uint64_t>(value));
    return true;
  }
  bool number_unsigned(uint64_t value) {
    count_value();
    append_be(out_, '\xcf', value);
    return true;
  }
  bool number_float(double value, const std::string&) {
    count_value();
    append_be(out_, '\xcb', std::bit_cast<uint64_t>(value));
    return true;
  }
  bool string(const std::string& value) {
    count_value();
    return text(value);
  }
  bool binary(const std::vector<uint8_t>&) { return false; }  // does not occur in JSON
  bool start_array(size_t) { return open('\xdd'); }
  bool end_array() { return close(); }
  bool start_object(size_t) { return open('\xdf'); }
  bool key(const std::string& value) {
    ++open_.back().count;
    return text(value);
  }
  bool end_object() { return close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) { return false; }

 private:
  struct Container {
    size_t header_at;
    uint32_t count;
    bool is_object;
  };

  // In an object the key has counted the pair.
  void count_value() {
    if (!open_.empty() && !open_.back().is_object) ++open_.back().count;
  }
  bool scalar(char byte) {
    count_value();
    out_ += byte;
    return true;
  }
  bool text(const std::string& value) {
    if (value.size() > std::numeric_limits<uint32_t>::max()) return false;
    if (value.size() < 32) {
      out_ += static_cast<char>(0xa0U | value.size());
    } else {
      append_be(out_, '\xdb', static_cast<uint32_t>(value.size()));
    }
    out_ += value;
    return true;
  }
  bool open(char lead) {
    count_value();
    open_.push_back({out_.size(), 0, lead == '\xdf'});
    append_be(out_, lead, uint32_t{0});
    return open_.size() <= JsonSplitter::kDepthMax;
  }
  bool close() {
    store_be<uint32_t>(out_.data() + open_.back().header_at + 1, open_.back().count);
    open_.pop_back();
    return true;
  }

  std::string& out_;
  std::vector<Container> open_;
};

}  // namespace

void JsonSplitter::reset() {
  at_ = 0;
  depth_ = 0;
  in_string_ = false;
  escaped_ = false;
  complete_ = false;
}

JsonSplitter::Status JsonSplitter::scan(std::string_view bytes) {
  if (complete_) return Status::kValue;
  const char first = bytes[0];
  Status status = Status::kNeedMore;
  if (first == '[' || first == '{') {
    status = scan_value(bytes);
  } else if (is_blank(first)) {
    status = scan_blank(bytes);
  } else {
    status = scan_scalar(bytes);
  }
  const bool too_large = at_ > frame_limit_ || (status == Status::kNeedMore && at_ == frame_limit_);
  return too_large && status != Status::kBlank ? Status::kTooLarge : status;
}

JsonSplitter::Status JsonSplitter::scan_value(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    const char c = bytes[at_];
    if (escaped_) {
      escaped_ = false;
    } else if (in_string_) {
      if (c == '"') in_string_ = false;
      if (c == '\\') escaped_ = true;
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '[' || c == '{') {
      if (++depth_ > kDepthMax) return Status::kMalformed;
    } else if ((c == ']' || c == '}') && --depth_ == 0) {
      ++at_;
      complete_ = true;
      return Status::kValue;
    }
  }
  return Status::kNeedMore;
}

JsonSplitter::Status JsonSplitter::scan_blank(std::string_view bytes) {
  for (at_ = 0; at_ < bytes.size() && is_blank(bytes[at_]);) ++at_;
  return Status::kBlank;
}

// Only null is of use, and only it need be whole.
JsonSplitter::Status JsonSplitter::scan_scalar(std::string_view bytes) {
  constexpr std::string_view kNull = "null";
  if (bytes[0] != 'n') {
    const bool begins = bytes[0] == '"' || bytes[0] == '-' || bytes[0] == 't' || bytes[0] == 'f' ||
                        (bytes[0] >= '0' && bytes[0] <= '9');
    return begins ? Status::kNotMessage : Status::kMalformed;
  }
  const std::string_view begin = bytes.substr(0, kNull.size());
  if (begin != kNull.substr(0, begin.size())) return Status::kMalformed;
  at_ = begin.size();
  return begin.size() == kNull.size() ? Status::kNull : Status::kNeedMore;
}

bool JsonRewriter::rewrite(std::string_view json) {
  out_.clear();
  Writer writer(out_);
  if (utf8_valid(json)) return nlohmann::json::sax_parse(json.begin(), json.end(), &writer);
  const std::string repaired = utf8_repaired(json);
  return nlohmann::json::sax_parse(repaired, &writer);
}

void JsonRewriter::trim() {
  out_.clear();
  if (out_.capacity() > kKeptCapacity) out_ = std::string();
}

}  // namespace millrace::input
