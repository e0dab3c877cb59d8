// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/counter.h"

#include <charconv>
#include <cstdio>
#include <ctime>
#include <fstream>

namespace millrace::fault {

Counter::Counter(std::string path) : path_(std::move(path)) {
  std::ifstream file(path_);
  std::string name;
  uint64_t value = 0;
  while (file >> name >> value) values_[name] = value;
}

void Counter::save() {
  values_["unix"] = static_cast<uint64_t>(std::time(nullptr));
  if (path_.empty()) return;
  const std::string next = path_ + ".next";
  {
    std::ofstream file(next, std::ios::trunc);
    for (const auto& [name, value] : values_) file << name << " " << value << "\n";
  }
  (void)std::rename(next.c_str(), path_.c_str());
}

std::string Counter::date() {
  char text[16] = {};
  const time_t when = static_cast<time_t>(values_["unix"]);
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&when));
  return text;
}

bool parse_number(const std::string& text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace millrace::fault
