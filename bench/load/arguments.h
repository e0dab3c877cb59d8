// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arguments: the command line of a benchmark program, `--name value`, `--name=value` and `--flag`.
// Ask for every option once, then call finish(), which tells on stderr what was left over or does
// not fit. Until then every value is one that may be used. Main thread, before anything else.

#include <cstdint>
#include <initializer_list>
#include <optional>
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
  /// The index of the value of `--name` in `values`; without the option 0.
  size_t choice(std::string_view name, std::initializer_list<std::string_view> values);

  /// Nothing if the program may go on, else the status to end with: 0 after `--help`, which prints
  /// the usage, 64 (usage) after anything that is wrong.
  std::optional<int> finish();

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
