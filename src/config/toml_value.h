// SPDX-License-Identifier: Apache-2.0
#pragma once

// TomlValue: what toml11 makes of a text, and the one way to have it made. Version 3.7 takes the
// last element of an array without asking whether there is one (insert_nested_key, for `a = []`
// and then `a.b = 1`), so the arrays it is given here refuse that. For toml_front.cc and its fuzzer
// alone. Any thread.

#include <istream>
#include <stdexcept>
#include <string>
#include <toml.hpp>
#include <unordered_map>
#include <vector>

namespace millrace::config {

struct BelowEmptyArray : std::runtime_error {
  BelowEmptyArray() : std::runtime_error("a key below one that is no table") {}
};

#if TOML11_VERSION_MAJOR >= 4

using TomlValue = toml::value;
inline TomlValue read_toml(std::istream& text, const std::string& name) {
  return toml::parse(text, name);
}

#else

template <typename T, typename... More>
class TomlArray : public std::vector<T, More...> {
 public:
  using std::vector<T, More...>::vector;
  T& back() {
    if (this->empty()) throw BelowEmptyArray();
    return std::vector<T, More...>::back();
  }
  const T& back() const { return const_cast<TomlArray*>(this)->back(); }
};

using TomlValue = toml::basic_value<toml::discard_comments, std::unordered_map, TomlArray>;
inline TomlValue read_toml(std::istream& text, const std::string& name) {
  return toml::parse<toml::discard_comments, std::unordered_map, TomlArray>(text, name);
}

#endif

}  // namespace millrace::config
