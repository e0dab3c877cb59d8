// SPDX-License-Identifier: Apache-2.0
#pragma once

// A parsed file as a tree that knows where each part stands; no more types than options have.
// A front end makes it, reader.h reads it. Values; any thread.
// Invariant: only a table's children have keys; they are in the order of their places.

#include <cstdint>
#include <string>
#include <vector>

#include "config/config_file.h"

namespace millrace::config {

struct Node {
  enum class Kind : uint8_t { kTable, kArray, kString, kInteger, kNumber, kBoolean, kOther };

  Kind kind = Kind::kOther;
  Place place;      // the value; of a table, its header
  std::string key;  // in a table
  Place key_place;
  std::string text;  // kString: its value; kInteger, kNumber: as it is written
  int64_t integer = 0;
  double number = 0;
  bool boolean = false;
  std::vector<Node> children;  // kTable, kArray
};

}  // namespace millrace::config
