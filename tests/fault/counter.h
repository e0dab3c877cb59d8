// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counter: what a long run has done so far, as lines `name value` of a file, so that it goes on
// where it was stopped. The file is replaced whole. One thread.

#include <cstdint>
#include <map>
#include <string>

namespace millrace::fault {

class Counter {
 public:
  /// Without a path nothing is kept.
  explicit Counter(std::string path);

  uint64_t& operator[](const char* name) { return values_[name]; }
  bool empty() const { return values_.empty(); }
  /// Writes the file, with the time in `unix`.
  void save();
  /// Date of the last save, YYYY-MM-DD.
  std::string date();

 private:
  const std::string path_;
  std::map<std::string, uint64_t> values_;
};

/// The number that `text` is; false if it is none.
bool parse_number(const std::string& text, uint64_t& number);

}  // namespace millrace::fault
