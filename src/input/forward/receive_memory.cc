// SPDX-License-Identifier: Apache-2.0
#include "input/forward/receive_memory.h"

namespace millrace::input {

bool ReceiveMemory::admit(uint64_t connection, uint64_t now_ms) {
  if (!exceeded() || favoured_ == connection) return true;
  if (favoured_ == 0 && waiting_.empty()) {
    favoured_ = connection;
    return true;
  }
  if (waiting_.empty()) awaited_since_ms_ = now_ms;
  waiting_.push_back(connection);
  return false;
}

void ReceiveMemory::finished(uint64_t connection) {
  if (favoured_ == connection) favoured_ = 0;
}

uint64_t ReceiveMemory::next(uint64_t now_ms) {
  if (waiting_.empty()) return 0;
  const bool over = exceeded();
  if (over && favoured_ != 0) return 0;
  const uint64_t connection = waiting_.front();
  waiting_.pop_front();
  if (over) {
    favoured_ = connection;
    awaited_since_ms_ = now_ms;
  }
  return connection;
}

}  // namespace millrace::input
