// SPDX-License-Identifier: Apache-2.0
#pragma once

// Listener: one [[source]] of type forward on one worker. It owns the socket and the connections,
// passes the receiver's answers to them, offers kept messages again in fair order and ends what has
// ended. Loop thread, but for connections(). Loop, receiver and cells must outlive it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/result.h"
#include "config/model.h"
#include "event/tcp_listener.h"
#include "event/timer.h"
#include "input/forward/authenticator.h"
#include "input/forward/connection.h"
#include "input/forward/connection_context.h"
#include "input/forward/message.h"
#include "metrics/metrics.h"

namespace millrace::input {

struct ListenerOptions {
  config::ForwardSource source;        // its connection_limit is this worker's share
  bool port_must_be_free = true;       // for the first worker; the others share its port
  uint64_t ack_deadline_ms = 180'000;  // Fluentd gives up on an ack after 190 s
  Gate gate;                           // its authenticator is made from the source
  HostNames host_names = system_host_names();
};

class Listener final : public Replies {
 public:
  /// Listens from now on, after it has looked up the hosts of the source's security. Errors name
  /// the address, or are those of Authenticator::make.
  static Result<std::unique_ptr<Listener>> open(event::Loop& loop, ListenerOptions options,
                                                Receiver& receiver, metrics::Cells& cells);
  ~Listener() override;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The port that is bound, also if port 0 was asked for.
  uint16_t port() const { return port_; }
  /// Open connections. Any thread.
  size_t connections() const { return connection_count_.load(std::memory_order_relaxed); }

  // Replies
  void stored(Ticket ticket) override;
  void failed(Ticket ticket) override;
  void resume() override;

  /// Closes the socket; connections that waited to be accepted are served like the others.
  void stop_accepting();
  /// Ends the connections: each when it is quiet and its messages are answered; after a second only
  /// messages that are on their way are taken, after half of `deadline_ms` none, after all of it
  /// the rest is dropped. `done` is
  /// called once, from the loop, when none is left. Calls stop_accepting().
  void close_all(uint64_t deadline_ms, std::function<void()> done);

 private:
  Listener(event::Loop& loop, ListenerOptions options,
           std::unique_ptr<const Authenticator> authenticator, Receiver& receiver,
           metrics::Cells& cells);
  void accepted(std::unique_ptr<event::TcpStream> stream);
  bool make_room();
  void end_of_turn();
  void offer_kept();
  void grant_memory();
  void tick();
  void stop_step();
  Connection* find(uint64_t id);
  void erase_if_gone(uint64_t id);

  event::Loop& loop_;
  ListenerOptions options_;
  std::unique_ptr<const Authenticator> authenticator_;  // null: no security
  ConnectionContext context_;
  std::vector<uint64_t> attended_;  // at the end of this turn
  std::unique_ptr<event::TcpListener> socket_;
  uint16_t port_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::atomic<size_t> connection_count_{0};
  uint64_t last_id_ = 0;
  size_t offers_left_ = 0;  // of the context's waiting connections, in this pass
  event::Timer tick_timer_;
  event::Timer stop_timer_;
  uint64_t stop_begun_ms_ = 0;
  uint64_t stop_deadline_ms_ = 0;
  std::function<void()> stop_done_;
};

}  // namespace millrace::input
