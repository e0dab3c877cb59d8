// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gate: where the flush threads of an output, those of all workers, wait until it may be asked: the
// Breaker with a lock, a clock, its metrics and its two lines in the log. While the breaker is
// closed, to pass costs one atomic load. Of those who wait one watches the time, so that an answer
// or a moment wakes one thread and not all.
// Invariant: who waits here holds no chunk. Any thread. Io, registry and the queues outlive it.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "buffer/chunk_queue.h"
#include "flush/breaker.h"
#include "io/io.h"
#include "metrics/metrics.h"

namespace millrace::flush {

/// For people and for the stop.
struct GateStatus {
  const char* state = "closed";
  uint64_t since_ms = 0;       // so long ago
  uint64_t next_probe_ms = 0;  // so far ahead; 0: now, or it is not open
  uint64_t opens = 0;
  uint64_t probes = 0;
  bool hopeless = false;   // nothing goes out soon
  std::string last_error;  // "": an attempt has succeeded since
};

class Gate {
 public:
  Gate(io::Io io, std::string output_id, const config::Buffer& options,
       metrics::Registry& registry);

  /// The queues whose chunks wait for this output.
  void add_queue(const buffer::ChunkQueue& queue);
  void remove_queue(const buffer::ChunkQueue& queue);

  /// Waits until a request may be made for one of the chunks that are due. Nothing once `stopped`
  /// is set, see wake(); and sometimes if all of them failed before: another may be due by then.
  std::optional<Permit> enter(const Due& due, const std::atomic<bool>& stopped);
  /// It is used for this chunk: Breaker::use().
  void use(Permit& permit, const buffer::QueuedChunk& chunk);
  /// A permit that was not used.
  void cancel(const Permit& permit);
  /// What the request met. `detail` is told for people.
  void note(const Permit& permit, const Answer& answer, const std::string& detail);
  /// All who wait look at `stopped` and the clock.
  void wake();

  /// True if such a failure of one chunk is not worth a line: the output's is told.
  bool told(output::Outcome outcome) const;
  /// Since when nothing was answered, in running time; 0: it answers.
  uint64_t failing_since_ms() const;
  GateStatus status();

 private:
  enum class Trouble : uint8_t { kNone, kThrottled, kUnavailable };
  struct Room {
    std::condition_variable changed;
    uint64_t watched_ms = kNobody;  // the moment that somebody waits for
  };
  static constexpr uint64_t kNobody = ~uint64_t{0};

  static void wait_in(Room& room, std::unique_lock<std::mutex>& lock, uint64_t now_ms,
                      uint64_t wait_ms);
  void wake_one();
  void wake_all();
  void count_delivered(uint64_t bytes, uint64_t now_ms);
  double delivered_rate(uint64_t now_ms) const;
  void publish(uint64_t now_ms);
  void tell(Trouble trouble, uint64_t now_ms);
  uint64_t waiting_chunks() const;

  io::Io io_;
  const std::string output_id_;
  metrics::Cells& cells_;  // written under mutex_
  const uint64_t started_ms_;

  std::atomic<bool> closed_{true};                // the breaker is
  std::atomic<bool> failing_{false};              // something failed since the last answer
  std::atomic<uint64_t> answered_ms_{0};          // last, of those that the breaker was not told
  std::atomic<Trouble> trouble_{Trouble::kNone};  // that was told
  std::atomic<uint64_t> delivered_bytes_{0};
  std::atomic<uint64_t> mark_ms_{0};  // of the second that is being measured

  mutable std::mutex mutex_;  // guards all below
  std::vector<const buffer::ChunkQueue*> queues_;
  Breaker breaker_;
  Room new_;     // those with a chunk that never failed
  Room failed_;  // the others
  std::string last_error_;
  uint64_t mark_bytes_ = 0;
  double last_rate_ = 0;     // bytes a millisecond of the second before
  uint64_t trouble_ms_ = 0;  // when it began
  uint64_t trouble_probes_ = 0;
};

}  // namespace millrace::flush
