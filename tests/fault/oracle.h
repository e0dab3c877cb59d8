// SPDX-License-Identifier: Apache-2.0
#pragma once

// Oracle: what the world outside has seen of a millrace, over all lives of the process, and whether
// that keeps the promises. It is told of every message sent and acked, every chunk handed to a
// service, every position line that was written; it knows nothing of the disk. The first broken
// promise stays as complaint(). Invariant: what it is told only adds to what it knows, but for
// power_cut(), which takes back lines that were never synced.
// A value: a copy goes with each crash state. One thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/chunk_id.h"
#include "tests/fault/plan.h"

namespace millrace::fault {

class Oracle {
 public:
  explicit Oracle(const Plan& plan);

  // --- Agents.
  void sent(uint32_t request) { requests_[request].sent = true; }
  void acked(uint32_t request);
  bool is_sent(uint32_t request) const { return requests_[request].sent; }
  bool is_acked(uint32_t request) const { return requests_[request].acked; }

  // --- The service, and people who look into dead/.
  /// A chunk is read to be sent. `bytes` is the whole delivery, its body behind the first line
  /// feed.
  void handed_out(size_t log, uint64_t seq, const ChunkId& id, std::string_view bytes);
  /// It was delivered, or dropped as configured; its line is written.
  void finished(size_t log, uint64_t seq);
  /// A chunk was found as a file in dead/, whole.
  void found_dead(size_t log, const ChunkId& id, std::string_view bytes);

  // --- The machine.
  /// All lines written so far in this log are synced.
  void lines_durable(size_t log);
  void power_cut();
  /// A start has succeeded: what it says of damage, and what it has to say again from here on.
  void started(uint64_t alarms);

  /// Everything was handed out again and all of dead/ was found: does anything lack?
  void check_nothing_lacks();

  void complain(const std::string& what);
  const std::string& complaint() const { return complaint_; }
  /// Grows with every fact.
  uint64_t facts() const { return facts_; }

 private:
  struct Sent {
    bool sent = false;
    bool acked = false;
    uint32_t first_record = 0;  // in places_
  };
  struct Chunk {
    ChunkId id;
    size_t log = 0;
    uint64_t seq = 0;  // 0: only its file in dead/ was seen
    uint64_t hash = 0;
    uint32_t seen_in = 0;   // life in which it was handed out or found last
    bool finished = false;  // the world has it
    bool line = false;      // its line is written, as far as this life can know
    bool line_durable = false;
  };

  Chunk& chunk_of(size_t log, uint64_t seq, const ChunkId& id);
  void take_records(size_t log, size_t chunk, std::string_view bytes);
  void place(size_t log, size_t chunk, std::string_view record);

  const Plan* plan_;
  std::vector<Sent> requests_;
  std::vector<uint32_t> places_;  // of each record: index of its chunk + 1
  std::vector<Chunk> chunks_;
  uint32_t life_ = 0;
  uint64_t facts_ = 0;
  std::string complaint_;
};

}  // namespace millrace::fault
