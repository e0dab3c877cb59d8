// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/options.h"

#include <algorithm>

#include "tests/fault/counter.h"

namespace millrace::fault {

bool Options::parse(int count, char** words, int from) const {
  for (int i = from; i < count; ++i) {
    const auto row = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const Row& one) { return one.name == words[i]; });
    if (row == rows_.end()) return false;
    if (row->flag != nullptr) {
      *row->flag = true;
      continue;
    }
    if (++i == count) return false;
    if (row->text != nullptr) {
      *row->text = words[i];
    } else if (!parse_number(words[i], *row->number) || *row->number < row->least) {
      return false;
    }
  }
  return true;
}

}  // namespace millrace::fault
