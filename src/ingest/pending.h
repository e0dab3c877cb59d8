// SPDX-License-Identifier: Apache-2.0
#pragma once

// Pending: the requests that are stored but not yet durable, by a running number that the log gives
// back when their commit is done. Does not answer anybody.
// Invariant: ids are given and completed at most once; memory is bounded by what is not completed.
// Loop thread.

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/check.h"
#include "input/forward/message.h"

namespace millrace::ingest {

struct PendingRequest {
  input::Ticket ticket;
  input::Replies* replies = nullptr;  // null: a part that is not the last; nobody waits for it
  bool large = false;                 // holds the process-wide token
  bool done = false;
};

class Pending {
 public:
  /// The id that the next add() will give.
  uint64_t next_id() const { return first_id_ + requests_.size(); }
  void add(PendingRequest request) { requests_.push_back(request); }

  PendingRequest complete(uint64_t id) {
    if (const auto late = late_.find(id); late != late_.end()) {
      const PendingRequest copy = late->second;
      late_.erase(late);
      return copy;
    }
    CHECK(id >= first_id_ && id - first_id_ < requests_.size());
    PendingRequest& request = requests_[id - first_id_];
    CHECK(!request.done);
    request.done = true;
    const PendingRequest copy = request;
    while (!requests_.empty() && (requests_.front().done || requests_.size() > kInOrderMax)) {
      if (!requests_.front().done) late_.emplace(first_id_, requests_.front());
      requests_.pop_front();
      ++first_id_;
    }
    return copy;
  }
  /// Of an id that was given.
  bool is_complete(uint64_t id) const {
    return id < first_id_ ? late_.count(id) == 0 : requests_[id - first_id_].done;
  }
  size_t size() const { return requests_.size() + late_.size(); }

 private:
  // A log that refuses may hold a request for hours: what came after it does not wait in line.
  static constexpr size_t kInOrderMax = 16'384;

  uint64_t first_id_ = 1;
  std::deque<PendingRequest> requests_;
  std::unordered_map<uint64_t, PendingRequest> late_;  // of ids below first_id_
};

}  // namespace millrace::ingest
