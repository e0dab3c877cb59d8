// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a request and a reply of an AWS service need of CBOR (RFC 8949). Written: heads in their
// shortest form, lengths definite. Read: one map of text, from anybody's bytes, with definite and
// indefinite lengths; numbers, byte strings, tags and whatever is nested are stepped over.
// Invariant: the time is proportional to the input, no string is longer than it, no more than
// kDepthMax levels are on the stack. (nlohmann-json 3.11 recurses over the pieces of an indefinite
// string without a bound.) Any thread; a reader belongs to one. The bytes outlive the reader.

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::aws {

/// The head of a map; so many pairs follow.
void cbor_append_map(std::string& out, uint64_t pairs);
/// `text` must be UTF-8.
void cbor_append_text(std::string& out, std::string_view text);
/// The head of a byte string; so many bytes follow.
void cbor_append_bytes_head(std::string& out, uint64_t bytes);

class CborMapReader {
 public:
  static constexpr int kDepthMax = 16;  // maps and arrays, with the outermost

  explicit CborMapReader(std::string_view bytes);

  /// The next pair of the outermost map of which both are text; false at its end, or where the
  /// bytes are not well-formed or text is not UTF-8.
  bool next(std::string& key, std::string& value);

  /// After next() gave false: the bytes are one map and nothing else.
  bool whole() const { return state_ == State::kEnded && rest_.empty(); }

 private:
  enum class State : uint8_t { kReading, kEnded, kBroken };
  enum class Item : uint8_t { kText, kOther, kBroken };
  struct Head {
    uint8_t major = 0;
    bool indefinite = false;  // with major 7: a break
    uint64_t value = 0;
  };

  bool at_end();
  Item read_item(std::string& text);
  bool read_head(Head& head);
  bool read_untagged_head(Head& head);
  bool read_string(const Head& head, std::string* out);
  bool skip(const Head& head, int depth);
  bool skip_items(const Head& head, int depth);
  bool take(uint64_t bytes, std::string* out);
  bool take_break();

  std::string_view rest_;
  Head map_;  // its value: pairs to come
  State state_ = State::kReading;
};

}  // namespace millrace::aws
