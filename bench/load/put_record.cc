// SPDX-License-Identifier: Apache-2.0
#include "bench/load/put_record.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace millrace::bench {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint32_t kInvalid = 0xff000000;

// One table for each place in a group of four: the six bits where they belong.
using Places = std::array<std::array<uint32_t, 256>, 4>;
constexpr Places make_places() {
  Places places{};
  for (size_t place = 0; place < 4; ++place) {
    for (auto& value : places[place]) value = kInvalid;
    for (uint32_t i = 0; i < 64; ++i) {
      places[place][static_cast<unsigned char>(kAlphabet[i])] = i << (18 - 6 * place);
    }
  }
  return places;
}
constexpr Places kPlaces = make_places();

uint32_t group_at(const char* text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text);
  return kPlaces[0][p[0]] | kPlaces[1][p[1]] | kPlaces[2][p[2]] | kPlaces[3][p[3]];
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// A reader of one flat JSON object; strings are handed out as they are written, with the quotes.
class Members {
 public:
  explicit Members(std::string_view text) : text_(text) {}

  bool open() { return take('{'); }
  bool close() {
    const bool closed = take('}');
    skip_space();
    return closed && text_.empty();
  }
  bool next(std::string_view& key, std::string_view& value) {
    return string(key) && take(':') && (string(value) || word(value));
  }
  bool comma() { return take(','); }

 private:
  void skip_space() {
    while (!text_.empty() && is_space(text_.front())) text_.remove_prefix(1);
  }
  bool take(char c) {
    skip_space();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool string(std::string_view& quoted) {
    skip_space();
    if (text_.empty() || text_.front() != '"') return false;
    size_t end = text_.find('"', 1);
    while (end != std::string_view::npos && is_escaped(end)) end = text_.find('"', end + 1);
    if (end == std::string_view::npos) return false;
    quoted = text_.substr(0, end + 1);
    text_.remove_prefix(end + 1);
    return true;
  }
  bool is_escaped(size_t at) const {
    size_t backslashes = 0;
    while (text_[at - 1 - backslashes] == '\\') ++backslashes;  // the opening quote ends it
    return backslashes % 2 == 1;
  }
  bool word(std::string_view& value) {
    skip_space();
    const size_t end = text_.find_first_of(",}{[\" \t\r\n");
    if (end == std::string_view::npos || end == 0) return false;
    value = text_.substr(0, end);
    text_.remove_prefix(end);
    return true;
  }

  std::string_view text_;
};

// A reader of one flat CBOR map of definite lengths.
class Pairs {
 public:
  explicit Pairs(std::string_view bytes) : rest_(bytes) {}

  bool open(uint64_t& pairs) {
    unsigned major = 0;
    return head(major, pairs) && major == kMap;
  }
  bool text(std::string_view& out) { return string(kText, out); }
  /// A string of either kind; of any other flat value nothing.
  bool value(std::string_view& out) {
    if (rest_.empty()) return false;
    const unsigned major = first() >> 5;
    if (major == kBytes || major == kText) return string(major, out);
    out = {};
    unsigned same = 0;
    uint64_t number = 0;
    return major < kBytes && head(same, number);
  }
  bool at_end() const { return rest_.empty(); }

 private:
  static constexpr unsigned kBytes = 2;
  static constexpr unsigned kText = 3;
  static constexpr unsigned kMap = 5;

  unsigned first() const { return static_cast<unsigned char>(rest_.front()); }
  bool head(unsigned& major, uint64_t& number) {
    if (rest_.empty()) return false;
    major = first() >> 5;
    number = first() & 31;
    rest_.remove_prefix(1);
    if (number < 24) return true;
    const size_t bytes = number > 27 ? rest_.size() + 1 : size_t{1} << (number - 24);
    if (bytes > rest_.size()) return false;
    number = 0;
    for (size_t i = 0; i < bytes; ++i) {
      number = number << 8 | first();
      rest_.remove_prefix(1);
    }
    return true;
  }
  bool string(unsigned wanted, std::string_view& out) {
    unsigned major = 0;
    uint64_t bytes = 0;
    if (!head(major, bytes) || major != wanted || bytes > rest_.size()) return false;
    out = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return true;
  }

  std::string_view rest_;
};

bool unescape(std::string_view quoted, std::string& out) {
  if (quoted.size() < 2 || quoted.front() != '"') return false;
  if (quoted.find('\\') == std::string_view::npos) {
    out.assign(quoted.substr(1, quoted.size() - 2));
    return true;
  }
  const auto parsed = nlohmann::json::parse(quoted, nullptr, false);
  if (!parsed.is_string()) return false;
  out = parsed.get<std::string>();
  return true;
}

}  // namespace

bool decode_base64(std::string_view text, std::string& out) {
  if (text.empty() || text.size() % 4 != 0) return false;
  out.resize(text.size() / 4 * 3);
  char* to = out.data();
  uint32_t faults = 0;
  const char* last = text.data() + text.size() - 4;
  for (const char* from = text.data(); from < last; from += 4, to += 3) {
    const uint32_t group = group_at(from);
    faults |= group;
    to[0] = static_cast<char>(group >> 16);
    to[1] = static_cast<char>(group >> 8 & 255);
    to[2] = static_cast<char>(group & 255);
  }
  const size_t padding = last[3] != '=' ? 0 : last[2] != '=' ? 1 : 2;
  const char tail[4] = {last[0], last[1], padding == 2 ? 'A' : last[2],
                        padding > 0 ? 'A' : last[3]};
  const uint32_t group = group_at(tail);
  faults |= group;
  to[0] = static_cast<char>(group >> 16);
  to[1] = static_cast<char>(group >> 8 & 255);
  to[2] = static_cast<char>(group & 255);
  out.resize(out.size() - padding);
  return (faults & kInvalid) == 0;
}

bool parse_put_record(std::string_view body, PutRecordBody& result) {
  Members members(body);
  if (!members.open()) return false;
  bool has_data = false;
  bool has_key = false;
  do {
    std::string_view key;
    std::string_view value;
    if (!members.next(key, value)) return false;
    if (key == "\"Data\"" && value.size() >= 2 && value.front() == '"') {
      result.data = value.substr(1, value.size() - 2);
      has_data = true;
    } else if (key == "\"PartitionKey\"") {
      has_key = unescape(value, result.partition_key);
    } else if (key == "\"ExplicitHashKey\"") {
      result.has_hash_key = true;
    }
  } while (members.comma());
  return members.close() && has_data && has_key;
}

bool parse_put_record_cbor(std::string_view body, PutRecordBody& result) {
  Pairs pairs(body);
  uint64_t left = 0;
  if (!pairs.open(left)) return false;
  bool has_data = false;
  bool has_key = false;
  for (; left > 0; --left) {
    std::string_view key;
    std::string_view value;
    if (!pairs.text(key) || !pairs.value(value)) return false;
    if (key == "Data") {
      result.data = value;
      has_data = true;
    } else if (key == "PartitionKey") {
      result.partition_key.assign(value);
      has_key = true;
    } else if (key == "ExplicitHashKey") {
      result.has_hash_key = true;
    }
  }
  return pairs.at_end() && has_data && has_key;
}

}  // namespace millrace::bench
