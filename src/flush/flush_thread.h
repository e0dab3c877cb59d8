// SPDX-License-Identifier: Apache-2.0
#pragma once

// FlushThread: the way out, told on one page (flush_thread.cc, deliver). It takes a queued chunk of
// one log, reads it back, hands it to the output, and writes down what became of it. One chunk in
// hand at a time; what it holds of memory is one chunk.
// Invariant: a chunk is finished only after its outcome is known to be final; every attempt sends
// the same bytes under the same key. Its own thread. The log and the output must outlive it.

#include <thread>

#include "base/log.h"
#include "buffer/log.h"
#include "flush/backoff.h"
#include "metrics/metrics.h"
#include "output/output.h"

namespace millrace::flush {

class FlushThread {
 public:
  FlushThread(io::Io io, buffer::Log& log, output::Output& output, const config::Buffer& options,
              metrics::Cells& cells, std::string name);
  ~FlushThread();  // joins; the queue must have been stopped

  /// Ends a request that is under way. After the queue was stopped; any thread.
  void interrupt();
  void join();

 private:
  void run();
  void deliver(buffer::QueuedChunk chunk);
  Result<> read(const buffer::QueuedChunk& chunk);
  output::PutResult put(const buffer::QueuedChunk& chunk);
  void judge(buffer::QueuedChunk chunk, const output::PutResult& result);
  void commit(const buffer::QueuedChunk& chunk);
  void retry_or_give_up(buffer::QueuedChunk chunk, const output::PutResult& result);
  void count(const output::PutResult& result, uint64_t nanoseconds);

  io::Io io_;
  buffer::Log& log_;
  const Backoff backoff_;
  const uint64_t retry_timeout_ms_;
  metrics::Cells& cells_;
  const std::string name_;
  buffer::ChunkReader reader_;
  buffer::LoadedChunk loaded_;
  std::unique_ptr<output::Sender> sender_;
  std::thread thread_;
};

}  // namespace millrace::flush
