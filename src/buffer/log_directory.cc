// SPDX-License-Identifier: Apache-2.0
#include "buffer/log_directory.h"

#include <algorithm>

#include "buffer/segment_file.h"
#include "buffer/side_file.h"

namespace millrace::buffer {

bool holds_log(const std::vector<io::DirectoryEntry>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const io::DirectoryEntry& entry) {
    uint32_t epoch = 0;
    uint64_t base = 0;
    return !entry.directory &&
           (entry.name == "chunks.pos" || parse_segment_name(entry.name, epoch, base));
  });
}

bool holds_log_or_letters(const std::vector<io::DirectoryEntry>& entries) {
  return holds_log(entries) ||
         std::any_of(entries.begin(), entries.end(), [](const io::DirectoryEntry& entry) {
           return entry.directory && entry.name == "dead";
         });
}

bool is_log_file(const std::string& name) {
  uint32_t epoch = 0;
  uint64_t base = 0;
  return name == "LOCK" || name == "chunks.pos" || name == "chunks.pos.next" ||
         parse_segment_name(name, epoch, base) || is_spare_name(name) || is_side_file_name(name) ||
         is_unfinished_side_file_name(name);
}

}  // namespace millrace::buffer
