// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a command writes its results: a descriptor behind a buffer, which remembers the first
// failure. A reader that went away (`millrace decode ... | head`) is no failure: the command stops
// quietly. One thread. The descriptor outlives it.

#include <string>
#include <string_view>

namespace millrace::cli {

class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// False once writing failed; then there is no use in more.
  bool write(std::string_view text);
  bool flush();

  /// Flushes, complains on stderr if the text could not be written, and turns `exit_code` into
  /// that of a disk error then. For the last line of a command.
  int finish(int exit_code);

 private:
  const int fd_;
  std::string buffer_;
  int error_ = 0;  // errno of the first failure
};

/// A line on stderr: `millrace: text`. `text` has no newline at its end.
void complain(std::string_view text);
/// The same about a place of an input: `place: text`.
void complain_of(std::string_view place, std::string_view text);

}  // namespace millrace::cli
