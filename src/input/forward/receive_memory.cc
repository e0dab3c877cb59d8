// SPDX-License-Identifier: Apache-2.0
#include "input/forward/receive_memory.h"

#include "base/check.h"

namespace millrace::input {

void ReceiveMemory::remove_connection(uint64_t connection) {
  CHECK(connections_ > 0);
  --connections_;
  reads_no_more(connection);
}

void ReceiveMemory::reads_no_more(uint64_t connection) {
  finished(connection);
  std::erase_if(waiting_, [=](const Waiter& one) { return one.connection == connection; });
}

bool ReceiveMemory::admit(uint64_t connection, uint64_t now_ms) {
  if (!exceeded() || favoured_ == connection) return true;
  if (favoured_ == 0 && waiting_.empty()) {
    favoured_ = connection;
    return true;
  }
  waiting_.push_back({connection, now_ms});
  return false;
}

void ReceiveMemory::finished(uint64_t connection) {
  if (favoured_ == connection) favoured_ = 0;
}

uint64_t ReceiveMemory::next() {
  if (waiting_.empty()) return 0;
  const bool over = exceeded();
  if (over && favoured_ != 0) return 0;
  const uint64_t connection = waiting_.front().connection;
  waiting_.pop_front();
  if (over) favoured_ = connection;
  return connection;
}

}  // namespace millrace::input
