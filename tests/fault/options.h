// SPDX-License-Identifier: Apache-2.0
#pragma once

// Options: the words of a long run's command line, `--name value` or `--name` alone. What a
// variable holds before is what it is without its option. One thread.

#include <cstdint>
#include <string>
#include <vector>

namespace millrace::fault {

class Options {
 public:
  void flag(const char* name, bool& value) { rows_.push_back({.name = name, .flag = &value}); }
  void text(const char* name, std::string& value) {
    rows_.push_back({.name = name, .text = &value});
  }
  void number(const char* name, uint64_t& value, uint64_t least = 0) {
    rows_.push_back({.name = name, .number = &value, .least = least});
  }

  /// Reads words[from ... count - 1]. False: an option that is none of these, has no value, or no
  /// number of at least its least one.
  bool parse(int count, char** words, int from = 1) const;

 private:
  struct Row {
    std::string name;
    bool* flag = nullptr;
    std::string* text = nullptr;
    uint64_t* number = nullptr;
    uint64_t least = 0;
  };
  std::vector<Row> rows_;
};

}  // namespace millrace::fault
