// SPDX-License-Identifier: Apache-2.0
#include "input/forward/json_rewriter.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/endian.h"
#include "base/msgpack_token.h"
#include "base/utf8.h"
#include "input/forward/json_mode.h"

namespace millrace::input {
namespace {

constexpr size_t kKeptCapacity = size_t{1} << 20;
constexpr size_t kUnicodeDigits = 4;  // of \uXXXX
// A byte that UTF-8 does not have: replaced together with what else is not text.
constexpr char kNoText = '\xff';

bool is_digit(char c) { return c >= '0' && c <= '9'; }

template <class T>
void append_be(std::string& out, char lead, T value) {
  char bytes[1 + sizeof(T)];
  bytes[0] = lead;
  store_be<T>(bytes + 1, value);
  out.append(bytes, sizeof bytes);
}

void append_utf8(std::string& out, uint32_t code) {
  const auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((code >> shift) & 0x3fU));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0U | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0U | code >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0U | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

// The four digits at `at`; sets it behind them.
bool take_unicode(const char*& at, const char* end, uint32_t& code) {
  if (static_cast<size_t>(end - at) < kUnicodeDigits) return false;
  const char* const last = at + kUnicodeDigits;
  if (std::from_chars(at, last, code, 16).ptr != last) return false;
  at = last;
  return true;
}

void pass_digits(const char*& at, const char* end) { at = std::find_if_not(at, end, is_digit); }

// A number whose value is not in the range of float64: is it too large, or too near to zero?
bool is_huge(std::string_view number) {
  const size_t exponent_at = std::min(number.find_first_of("eE"), number.size());
  const std::string_view mantissa = number.substr(0, exponent_at);
  const size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const auto scale = static_cast<int64_t>(point) - static_cast<int64_t>(first);
  std::string_view digits = number.substr(std::min(exponent_at + 1, number.size()));
  if (!digits.empty() && digits[0] == '+') digits.remove_prefix(1);
  int64_t exponent = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (read.ec == std::errc::result_out_of_range) return digits[0] != '-';
  return exponent > -scale;
}

}  // namespace

bool JsonRewriter::rewrite(std::string_view json) {
  out_.clear();
  open_.clear();
  replaced_texts_ = 0;
  at_ = json.data();
  end_ = at_ + json.size();
  do {
    if (!value()) return false;
  } while (!open_.empty());
  skip_blanks();
  return at_ == end_;
}

void JsonRewriter::trim() {
  out_.clear();
  if (out_.capacity() > kKeptCapacity) out_ = std::string();
  if (scratch_.capacity() > kKeptCapacity) scratch_ = std::string();
}

void JsonRewriter::skip_blanks() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
}

bool JsonRewriter::take(char c) {
  if (at_ == end_ || *at_ != c) return false;
  ++at_;
  return true;
}

// A scalar, an empty container, or the begin of another one; and all that ends behind it, so that
// the next value may follow.
bool JsonRewriter::value() {
  skip_blanks();
  if (at_ == end_) return false;
  if (!open_.empty() && !open_.back().is_object) ++open_.back().count;
  const char first = *at_;
  if (first == '[' || first == '{') {
    const bool is_object = first == '{';
    ++at_;
    if (!open(is_object)) return false;
    skip_blanks();
    if (!take(is_object ? '}' : ']')) return !is_object || key();
    close();
    return value_end();
  }
  bool good = false;
  if (first == '"') {
    good = text();
  } else if (first == 'n') {
    good = word("null", '\xc0');
  } else if (first == 't') {
    good = word("true", '\xc3');
  } else if (first == 'f') {
    good = word("false", '\xc2');
  } else {
    good = number();
  }
  return good && value_end();
}

bool JsonRewriter::value_end() {
  while (!open_.empty()) {
    const bool is_object = open_.back().is_object;
    skip_blanks();
    if (take(',')) {
      skip_blanks();
      return !is_object || key();
    }
    if (!take(is_object ? '}' : ']')) return false;
    close();
  }
  return true;
}

bool JsonRewriter::open(bool is_object) {
  open_.push_back({out_.size(), 0, is_object});
  append_be(out_, is_object ? '\xdf' : '\xdd', uint32_t{0});
  return open_.size() <= JsonSplitter::kDepthMax;
}

void JsonRewriter::close() {
  store_be<uint32_t>(out_.data() + open_.back().header_at + 1, open_.back().count);
  open_.pop_back();
}

bool JsonRewriter::key() {
  ++open_.back().count;
  if (at_ == end_ || *at_ != '"' || !text()) return false;
  skip_blanks();
  return take(':');
}

bool JsonRewriter::text() {
  const char* const begin = ++at_;
  bool escaped = false;
  for (; at_ < end_ && *at_ != '"'; ++at_) {
    if (static_cast<unsigned char>(*at_) < 0x20) return false;
    if (*at_ != '\\') continue;
    escaped = true;
    if (++at_ == end_) return false;
  }
  const char* const end = at_;
  if (!take('"')) return false;
  if (!escaped) {
    put_text({begin, static_cast<size_t>(end - begin)});
    return true;
  }
  scratch_.assign(begin, static_cast<size_t>(std::find(begin, end, '\\') - begin));
  at_ = begin + scratch_.size();
  if (!unescape(end)) return false;
  put_text(scratch_);
  return take('"');
}

// From at_, where an escape begins, to the string's end.
bool JsonRewriter::unescape(const char* end) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  while (at_ < end) {
    const char* const plain = std::find(at_, end, '\\');
    scratch_.append(at_, plain);
    at_ = plain;
    if (at_ == end) break;
    ++at_;
    const char kind = *at_++;
    if (kind == 'u') {
      if (!unescape_unicode(end)) return false;
      continue;
    }
    const size_t index = kEscapes.find(kind);
    if (index == std::string_view::npos) return false;
    scratch_ += kMeant[index];
  }
  return true;
}

bool JsonRewriter::unescape_unicode(const char* end) {
  uint32_t code = 0;
  if (!take_unicode(at_, end, code)) return false;
  if (code < 0xd800 || code > 0xdfff) {
    append_utf8(scratch_, code);
    return true;
  }
  uint32_t low = 0;
  const char* next = at_ + 2;
  if (code < 0xdc00 && end - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u' &&
      take_unicode(next, end, low) && low >= 0xdc00 && low <= 0xdfff) {
    append_utf8(scratch_, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
    at_ = next;
  } else {
    scratch_ += kNoText;
  }
  return true;
}

bool JsonRewriter::number() {
  const char* const begin = at_;
  take('-');
  const char* const first = at_;
  pass_digits(at_, end_);
  if (at_ == first || (*first == '0' && at_ - first > 1)) return false;
  bool is_integer = true;
  if (take('.')) {
    is_integer = false;
    const char* const fraction = at_;
    pass_digits(at_, end_);
    if (at_ == fraction) return false;
  }
  if (take('e') || take('E')) {
    is_integer = false;
    if (!take('+')) take('-');
    const char* const exponent = at_;
    pass_digits(at_, end_);
    if (at_ == exponent) return false;
  }
  const std::string_view digits(begin, static_cast<size_t>(at_ - begin));
  if (is_integer) {
    integer(digits);
    return true;
  }
  double number = 0;
  if (std::from_chars(begin, at_, number).ec != std::errc()) {
    number = is_huge(digits) ? std::numeric_limits<double>::infinity() : 0.0;
    if (*begin == '-') number = -number;
  }
  append_be(out_, '\xcb', std::bit_cast<uint64_t>(number));
  return true;
}

void JsonRewriter::integer(std::string_view digits) {
  const char* const begin = digits.data();
  const char* const end = begin + digits.size();
  uint64_t number = 0;
  int64_t negative = 0;
  if (*begin != '-' && std::from_chars(begin, end, number).ec == std::errc()) {
    append_be(out_, '\xcf', number);
  } else if (*begin == '-' && std::from_chars(begin, end, negative).ec == std::errc()) {
    append_be(out_, '\xd3', static_cast<uint64_t>(negative));
  } else {
    append_be(out_, '\xc9', static_cast<uint32_t>(digits.size()));
    out_ += static_cast<char>(msgpack_token::kExtDecimal);
    out_ += digits;
  }
}

bool JsonRewriter::word(std::string_view name, char packed) {
  if (static_cast<size_t>(end_ - at_) < name.size() || !std::equal(name.begin(), name.end(), at_)) {
    return false;
  }
  at_ += name.size();
  out_ += packed;
  return true;
}

// A text is at most a frame long, which 32 bits hold even if each byte becomes a U+FFFD.
void JsonRewriter::put_text(std::string_view text) {
  std::string repaired;
  if (!utf8_valid(text)) {
    ++replaced_texts_;
    repaired = utf8_repaired(text);
    text = repaired;
  }
  if (text.size() < 32) {
    out_ += static_cast<char>(0xa0U | text.size());
  } else {
    append_be(out_, '\xdb', static_cast<uint32_t>(text.size()));
  }
  out_ += text;
}

}  // namespace millrace::input
