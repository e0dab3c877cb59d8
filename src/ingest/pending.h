// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pending: the requests that are stored but not yet durable, by a running number that the log gives
// back when their commit is done. Does not answer anybody.
// Invariant: ids are given and completed at most once; entries leave in the order of ids.
// Loop thread.

#include <cstdint>
#include <deque>

#include "base/check.h"
#include "input/forward/message.h"

namespace millrace::ingest {

struct PendingRequest {
  input::Ticket ticket;
  input::Replies* replies = nullptr;
  bool large = false;  // holds the process-wide token
  bool done = false;
};

class Pending {
 public:
  /// The id that the next add() will give.
  uint64_t next_id() const { return first_id_ + requests_.size(); }
  void add(PendingRequest request) { requests_.push_back(request); }

  PendingRequest complete(uint64_t id) {
    CHECK(id >= first_id_ && id - first_id_ < requests_.size());
    PendingRequest& request = requests_[id - first_id_];
    CHECK(!request.done);
    request.done = true;
    const PendingRequest copy = request;
    while (!requests_.empty() && requests_.front().done) {
      requests_.pop_front();
      ++first_id_;
    }
    return copy;
  }
  size_t size() const { return requests_.size(); }

 private:
  uint64_t first_id_ = 1;
  std::deque<PendingRequest> requests_;
};

}  // namespace millrace::ingest
