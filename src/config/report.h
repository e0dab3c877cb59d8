// SPDX-License-Identifier: Apache-2.0
#pragma once

// The errors and warnings of one configuration, collected while it is read and checked, each with
// its file, line and caret. A line that holds a secret, or looks as if it did, is cut before the
// value. Belongs to one thread.
// Invariant: no problem ever holds the value of a secret option.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "config/config_file.h"

namespace millrace::config {

struct Problem {
  bool warning = false;
  std::string file;
  uint32_t line = 0;  // 0: the file as a whole
  std::string what;
  std::string note;         // what is allowed, or what to do; may be empty
  std::string source_line;  // may be empty
  uint32_t column = 1;      // of source_line, from 1, in bytes
  uint32_t width = 1;
};

/// `file:line: what`, the line with a caret under it, and the note; ends with a newline.
std::string problem_text(const Problem& problem);
/// All of them, the first kProblemsShownMax in full.
constexpr size_t kProblemsShownMax = 50;
std::string problems_text(const std::vector<Problem>& problems);

class Report {
 public:
  /// Adds a file and returns its number for Place::file.
  uint32_t add_file(ConfigFile file);
  const ConfigFile& file(uint32_t number) const { return files_[number]; }

  void error(const Place& place, std::string what, std::string note = {});
  void warning(const Place& place, std::string what, std::string note = {});
  /// As error(), and shows nothing of the line behind the place: its value may be a secret.
  void error_of_key(const Place& place, std::string what, std::string note = {});

  /// "file:line" for use in a sentence.
  std::string where(const Place& place) const;
  size_t error_count() const { return error_count_; }
  /// The problems so far, errors or warnings, by file and line; beyond kProblemsShownMax without
  /// their lines.
  std::vector<Problem> errors() const { return sorted(false); }
  std::vector<Problem> warnings() const { return sorted(true); }

 private:
  struct Entry {
    Place place;
    bool key_only = false;  // shows nothing behind the place
    Problem problem;        // without its source_line
  };

  void add(bool warning, bool key_only, const Place& place, std::string what, std::string note);
  std::vector<Problem> sorted(bool warnings) const;
  std::string source_line(const Entry& entry) const;

  std::deque<ConfigFile> files_;
  std::vector<Entry> entries_;
  size_t error_count_ = 0;
};

}  // namespace millrace::config
