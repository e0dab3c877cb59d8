// SPDX-License-Identifier: Apache-2.0
#pragma once

// Random values of the JSON library, for tests that compare ours with it.

#include <bit>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace millrace::testing {

/// A tree of values that JSON can say, with the numbers at which encodings change.
inline nlohmann::json any_json(std::mt19937_64& random, int depth) {
  static const int64_t kEdges[] = {0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296};
  const auto text = [&] {
    static const char* const kPieces[] = {"a",  " ",    "\"",   "\\", "/",
                                          "\n", "\x01", "\x7f", "é",  "イ"};
    std::string out;
    for (size_t left = random() % 40; left > 0; --left) out += kPieces[random() % 10];
    return out;
  };
  switch (random() % (depth < 4 ? 9 : 7)) {
    case 0:
      return nullptr;
    case 1:
      return (random() & 1) != 0;
    case 2:
      return kEdges[random() % 9] + static_cast<int64_t>(random() % 3) - 1;
    case 3:
      return -kEdges[random() % 9] - static_cast<int64_t>(random() % 3);
    case 4:
      return random() >> (random() % 64);
    case 5: {
      const auto number = std::bit_cast<double>(random());
      return std::isfinite(number) ? number : 0.5;
    }
    case 6:
      return text();
    case 7: {
      auto array = nlohmann::json::array();
      for (size_t left = random() % 20; left > 0; --left)
        array.push_back(any_json(random, depth + 1));
      return array;
    }
    default: {
      auto object = nlohmann::json::object();
      for (size_t left = random() % 20; left > 0; --left)
        object[text()] = any_json(random, depth + 1);
      return object;
    }
  }
}

}  // namespace millrace::testing
