// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arguments: the command line of a benchmark program, `--name value`, `--name=value` and `--flag`.
// Ask for every option once, then call finish(), which ends the program (status 64) with one line
// on stderr if anything is left over or a value does not fit. Main thread, before anything else.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::bench {

class Arguments {
 public:
  Arguments(int argc, char** argv, std::string_view usage);

  /// The decimal value of `--name`, within [low, high].
  uint64_t number(std::string_view name, uint64_t fallback, uint64_t low, uint64_t high);
  std::string text(std::string_view name, std::string_view fallback);
  bool flag(std::string_view name);

  /// `--help` prints the usage and ends with 0; anything not asked for ends with 64.
  void finish();

 private:
  struct Word {
    std::string name;  // without the dashes
    std::string value;
    bool has_value = false;  // written as --name=value
    bool used = false;
  };
  Word* take(std::string_view name, bool wants_value);
  void complain(const std::string& problem);

  std::string usage_;
  std::string problem_;  // the first one
  std::vector<Word> words_;
};

}  // namespace millrace::bench
