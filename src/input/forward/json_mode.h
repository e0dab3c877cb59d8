// SPDX-License-Identifier: Apache-2.0
#pragma once

// JSON mode: a connection whose first byte is { or [ carries JSON values one after another
// (Fluentd's in_forward; used by the Go logger with MarshalAsJSON). JsonSplitter finds where a
// value ends while its bytes arrive, without looking at one twice; json_rewriter turns a value into
// MessagePack, and from there on it is a frame like any other. No recursion; depth and size are
// bounded.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::input {

/// Belongs to one connection.
class JsonSplitter {
 public:
  enum class Status : uint8_t {
    kValue,       // an array or object: the first size() bytes
    kNull,        // a lone null: the first size() bytes
    kBlank,       // white space: the first size() bytes, nothing has begun
    kNeedMore,    // a value has begun
    kNotMessage,  // another scalar
    kMalformed,   // no JSON value begins here, or it is nested too deep
    kTooLarge,
  };

  /// Deeper nesting than this is kMalformed; a record may have 128 levels.
  static constexpr uint32_t kDepthMax = 512;

  explicit JsonSplitter(uint64_t frame_limit) : frame_limit_(frame_limit) {}

  /// `bytes` begins where the last value ended and only grows until reset(). Not empty.
  Status scan(std::string_view bytes);
  uint64_t size() const { return at_; }
  void reset();

 private:
  Status scan_value(std::string_view bytes);
  Status scan_blank(std::string_view bytes);
  Status scan_scalar(std::string_view bytes);

  uint64_t frame_limit_;
  uint64_t at_ = 0;
  uint32_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool complete_ = false;
};

/// The string that an array begins with, as it stands there, quotes and all; `begun` has arrived of
/// it. None: it has not arrived whole, is larger than 64 KiB, or no string.
std::optional<std::string_view> json_first_string(std::string_view begun);

}  // namespace millrace::input
