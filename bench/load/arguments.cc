// SPDX-License-Identifier: Apache-2.0
#include "bench/load/arguments.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace millrace::bench {
namespace {

constexpr int kUsageStatus = 64;  // EX_USAGE of sysexits.h

}  // namespace

Arguments::Arguments(int argc, char** argv, std::string_view usage) : usage_(usage) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.substr(0, 2) != "--") {  // a value of the word before, or a stray
      words_.push_back(Word{std::string(), std::string(word), false, false});
      continue;
    }
    const size_t equals = word.find('=');
    const bool has_value = equals != std::string_view::npos;
    words_.push_back(Word{std::string(word.substr(2, has_value ? equals - 2 : equals)),
                          std::string(has_value ? word.substr(equals + 1) : std::string_view()),
                          has_value, false});
  }
}

void Arguments::complain(const std::string& problem) {
  if (problem_.empty()) problem_ = problem;
}

Arguments::Word* Arguments::take(std::string_view name, bool wants_value) {
  Word* found = nullptr;
  for (size_t i = 0; i < words_.size(); ++i) {
    if (words_[i].name != name) continue;
    words_[i].used = true;
    found = &words_[i];  // the last one wins
    if (!wants_value || words_[i].has_value) continue;
    if (i + 1 < words_.size() && words_[i + 1].name.empty()) {
      words_[i + 1].used = true;
      words_[i].value = words_[i + 1].value;
    } else {
      complain("--" + std::string(name) + " needs a value");
    }
  }
  return found;
}

uint64_t Arguments::number(std::string_view name, uint64_t fallback, uint64_t low, uint64_t high) {
  const Word* word = take(name, true);
  if (word == nullptr) return fallback;
  uint64_t value = 0;
  const char* end = word->value.data() + word->value.size();
  const auto [stop, error] = std::from_chars(word->value.data(), end, value);
  if (error != std::errc() || stop != end || value < low || value > high) {
    complain("--" + std::string(name) + ": a number from " + std::to_string(low) + " to " +
             std::to_string(high));
    return fallback;
  }
  return value;
}

std::string Arguments::text(std::string_view name, std::string_view fallback) {
  const Word* word = take(name, true);
  return word == nullptr ? std::string(fallback) : word->value;
}

bool Arguments::flag(std::string_view name) {
  const Word* word = take(name, false);
  if (word != nullptr && word->has_value) complain("--" + std::string(name) + " takes no value");
  return word != nullptr;
}

size_t Arguments::choice(std::string_view name, std::initializer_list<std::string_view> values) {
  const Word* word = take(name, true);
  if (word == nullptr) return 0;
  const auto* found = std::find(values.begin(), values.end(), word->value);
  if (found != values.end()) return static_cast<size_t>(found - values.begin());
  complain("--" + std::string(name) + " does not know " + word->value);
  return 0;
}

std::optional<int> Arguments::finish() {
  if (flag("help")) {
    std::fputs(usage_.c_str(), stdout);
    return 0;
  }
  for (const Word& word : words_) {
    if (!word.used) complain("unknown: " + (word.name.empty() ? word.value : "--" + word.name));
  }
  if (problem_.empty()) return std::nullopt;
  std::fprintf(stderr, "%s\n%s", problem_.c_str(), usage_.c_str());
  return kUsageStatus;
}

}  // namespace millrace::bench
