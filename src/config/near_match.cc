// SPDX-License-Identifier: Apache-2.0
#include "config/near_match.h"

#include <algorithm>
#include <vector>

namespace millrace::config {

size_t edit_distance(std::string_view a, std::string_view b) {
  constexpr size_t kBytesMax = 64;
  a = a.substr(0, kBytesMax);
  b = b.substr(0, kBytesMax);
  const size_t columns = b.size() + 1;
  std::vector<size_t> table((a.size() + 1) * columns);
  const auto cell = [&](size_t i, size_t j) -> size_t& { return table[i * columns + j]; };
  for (size_t i = 0; i <= a.size(); ++i) cell(i, 0) = i;
  for (size_t j = 0; j <= b.size(); ++j) cell(0, j) = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = cell(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      size_t best = std::min({replaced, cell(i - 1, j) + 1, cell(i, j - 1) + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best = std::min(best, cell(i - 2, j - 2) + 1);
      }
      cell(i, j) = best;
    }
  }
  return cell(a.size(), b.size());
}

std::string near_match(std::string_view word, std::span<const std::string> words) {
  size_t best = std::max<size_t>(word.size() / 3, 1) + 1;
  std::string found;
  for (const std::string& candidate : words) {
    const size_t shorter = std::min(word.size(), candidate.size());
    const bool prefix = shorter >= 3 && word.substr(0, shorter) == candidate.substr(0, shorter);
    const size_t distance = prefix ? 1 : edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace millrace::config
