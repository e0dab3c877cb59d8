// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the bytes of a fuzzer choose, in order; zeros when there are no more.

#include <cstdint>
#include <string_view>

namespace millrace::testing {

/// The first byte of inputs that tell what to write, instead of being read themselves.
constexpr uint8_t kTells = 'W';

class Choices {
 public:
  explicit Choices(std::string_view bytes) : left_(bytes) {}

  bool more() const { return !left_.empty(); }
  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    for (; bytes > 0 && !left_.empty(); --bytes, left_.remove_prefix(1)) {
      value = value << 8 | static_cast<uint8_t>(left_[0]);
    }
    return value;
  }
  uint64_t below(uint64_t limit) { return number(limit <= 256 ? 1 : 4) % limit; }
  /// The next bytes, to choose from apart.
  std::string_view take(size_t bytes) {
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(taken.size());
    return taken;
  }
  bool one_in(uint64_t count) { return below(count) == count - 1; }

 private:
  std::string_view left_;
};

}  // namespace millrace::testing
