// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lines of a descriptor, or its bytes as they are, with a bound on both. One thread. The descriptor
// outlives it. Invariant: holds at most one line and one read beyond it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::cli {

class LineReader {
 public:
  LineReader(int fd, size_t line_bytes_max) : fd_(fd), line_bytes_max_(line_bytes_max) {}

  /// The next line without its newline, nothing at the end; the last line may lack its newline.
  /// The view holds until the next call. kInvalid: longer than the bound. kIo: as the system says.
  Result<std::optional<std::string_view>> next();

  /// Of the line that next() gave or failed for, from 1.
  uint64_t line_number() const { return line_number_; }
  /// False: the last line that next() gave had no newline.
  bool ended_with_newline() const { return ended_with_newline_; }

  /// A line is in memory already.
  bool has_line() const;
  /// A read would not wait.
  bool is_ready() const;

  /// What next() would give, up to `bytes_max` bytes of it and without taking it.
  Result<std::string_view> peek(size_t bytes_max);
  /// Everything that is left; kInvalid above `bytes_max`.
  Result<std::string> take_all(size_t bytes_max);

 private:
  Result<bool> read_more();

  const int fd_;
  const size_t line_bytes_max_;
  std::string buffer_;
  size_t begin_ = 0;     // of what is not taken yet
  size_t searched_ = 0;  // no newline before it
  bool at_end_ = false;
  bool ended_with_newline_ = true;
  uint64_t line_number_ = 0;
};

}  // namespace millrace::cli
