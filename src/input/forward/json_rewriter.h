// SPDX-License-Identifier: Apache-2.0
#pragma once

// JsonRewriter: one JSON value (RFC 8259) -> MessagePack in one reused buffer, in one pass over a
// stack of its own. Does not find where the value ends (json_mode does) and does not judge what it
// is. Nothing that JSON can say is lost: an integer beyond 64 bits becomes an ext of kExtDecimal
// with its digits, which nobody but this writer may make; a float beyond float64 becomes an
// infinity, as in Fluentd. Half of a surrogate pair and invalid UTF-8 become U+FFFD and are
// counted. Equal keys are kept. One per loop thread.
// Invariant: all strings of the output are valid UTF-8.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::input {

class JsonRewriter {
 public:
  /// False on a syntax error, or if it is nested deeper than JsonSplitter takes. output() is the
  /// value, until the next call or trim().
  bool rewrite(std::string_view json);
  std::string_view output() const { return out_; }
  /// Strings of the last value, keys among them, that got a U+FFFD.
  uint64_t replaced_texts() const { return replaced_texts_; }
  /// Gives back the memory of an unusually large value.
  void trim();

 private:
  struct Container {
    size_t header_at;  // in out_; its count is filled in when the container ends
    uint32_t count;
    bool is_object;
  };

  bool value();
  bool value_end();
  bool open(bool is_object);
  void close();
  bool key();
  bool text();
  bool unescape(const char* end);
  bool unescape_unicode(const char* end);
  bool number();
  void integer(std::string_view digits);
  bool word(std::string_view name, char packed);
  void put_text(std::string_view text);
  bool take(char c);
  void skip_blanks();

  std::string out_;
  std::string scratch_;  // a string with escapes
  std::vector<Container> open_;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  uint64_t replaced_texts_ = 0;
};

}  // namespace millrace::input
