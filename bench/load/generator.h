// SPDX-License-Identifier: Apache-2.0
#pragma once

// Generator: sends numbered events to a forward server over several connections, waits for each
// message's ack, and measures. One thread, one epoll. It is no agent: it never sends a message
// twice and does not connect again, so a lost ack or a closed connection ends the run as a failure.
// Invariant: per connection at most `window` messages are unacknowledged, acks come in their order.

#include <sys/epoll.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "bench/load/histogram.h"
#include "bench/load/message.h"

namespace millrace::bench {

struct Plan {
  std::string host = "127.0.0.1";
  std::string port = "24224";
  MessageShape shape;
  uint64_t tags = 1;       // above 1: connection i has shape.tag.(i % tags); without gzip only
  bool gzip = false;       // compressed before the clock starts: about 50 MB per million events
  uint64_t events = 0;     // in all
  uint64_t first_seq = 0;  // seq of the first event
  uint64_t connections = 8;
  uint64_t window = 1;        // messages in flight per connection, with acks
  uint64_t events_per_s = 0;  // 0: as fast as it goes
  uint64_t timeout_s = 60;    // without any progress
};

struct Figures {
  uint64_t messages = 0;  // whole messages handed to the kernel
  uint64_t events = 0;    // in them
  uint64_t bytes = 0;     // of them
  uint64_t acked = 0;     // messages
  uint64_t wrong = 0;     // acks that were not the expected one
  double seconds = 0;     // first byte sent to last ack read, or to the server's end of stream
  Histogram ack;          // message's first byte sent to ack read
  Histogram due;          // with a rate: the moment it was due to ack read
};

class Generator {
 public:
  /// Makes all messages; takes a while with gzip.
  explicit Generator(const Plan& plan);
  ~Generator();

  /// Opens all connections.
  Result<> connect();
  /// Sends everything and waits for every ack. figures() hold also after an Error.
  Result<> run();
  const Figures& figures() const { return figures_; }
  uint64_t messages_total() const { return messages_total_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection;

  void prepare_gzip();
  uint64_t events_of(uint64_t message_number) const;
  Clock::time_point due_at(uint64_t message_number) const;
  bool finished() const;
  Result<> start_messages();
  void load(Connection& connection, uint64_t message_number);
  Result<> write(Connection& connection);
  Result<> read(Connection& connection);
  Result<> take_ack(Connection& connection);
  Result<> wait();
  void watch(Connection& connection, uint32_t events);
  void close_politely();

  Plan plan_;
  uint64_t run_;  // random, so that no two runs share a chunk id
  uint64_t messages_total_;
  uint64_t next_message_ = 0;
  Figures figures_;
  Clock::time_point started_;
  Clock::time_point progressed_;
  UniqueFd epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> idle_;      // may start a message now
  std::vector<std::string> gzipped_;  // by message number
};

}  // namespace millrace::bench
