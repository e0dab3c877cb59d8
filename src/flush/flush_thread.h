// SPDX-License-Identifier: Apache-2.0
#pragma once

// FlushThread: the way out, told on one page (flush_thread.cc, deliver). It takes a queued chunk of
// one log when its output may be asked, reads it back, hands it to the output, and writes down what
// became of it. One chunk in hand at a time; what it holds of memory is one chunk.
// Invariant: a chunk is finished only after its outcome is known to be final; every attempt sends
// the same bytes under the same key. Its own thread. The log and the outlet must outlive it.

#include <atomic>
#include <thread>

#include "buffer/log.h"
#include "flush/backoff.h"
#include "flush/outlet.h"
#include "metrics/metrics.h"
#include "output/output.h"

namespace millrace::flush {

class FlushThread {
 public:
  FlushThread(io::Io io, buffer::Log& log, Outlet& outlet, metrics::Cells& cells, std::string name);
  ~FlushThread();  // joins; the queue must have been stopped

  /// Takes no more chunks, once the gate has been woken; with `interrupt` a request under way is
  /// cut off. After the queue was stopped; any thread.
  void stop(bool interrupt);
  void join();

 private:
  void run();
  std::optional<buffer::QueuedChunk> take();
  void credit_turn(buffer::QueuedChunk& chunk) const;
  void deliver(buffer::QueuedChunk chunk);
  Result<> read(const buffer::QueuedChunk& chunk);
  void put_off(buffer::QueuedChunk chunk, std::string why);
  void tell_damage(const buffer::QueuedChunk& chunk) const;
  output::PutResult put(const buffer::QueuedChunk& chunk);
  void note(const buffer::QueuedChunk& chunk, const output::PutResult& result);
  void judge(buffer::QueuedChunk chunk, const output::PutResult& result);
  void commit(const buffer::QueuedChunk& chunk);
  void retry_or_give_up(buffer::QueuedChunk chunk, const output::PutResult& result);
  Decision decide(buffer::QueuedChunk& chunk, const output::PutResult& result, uint64_t now_ms);
  uint64_t failing_since_ms(const buffer::QueuedChunk& chunk, output::Outcome outcome) const;
  void give_up(buffer::QueuedChunk chunk);
  bool keep_in_secondary(const buffer::QueuedChunk& chunk);
  void count(const output::PutResult& result, uint64_t nanoseconds);

  io::Io io_;
  buffer::Log& log_;
  Outlet& outlet_;
  const Backoff backoff_;
  metrics::Cells& cells_;
  const std::string name_;
  TailHasher::Member tails_;
  buffer::ChunkReader reader_;
  buffer::LoadedChunk loaded_;
  bool readable_ = false;  // loaded_ is the chunk in hand
  Permit permit_;          // to make one request
  std::unique_ptr<output::Sender> sender_;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> interrupted_{false};
  std::thread thread_;
};

}  // namespace millrace::flush
