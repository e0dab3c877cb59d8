// SPDX-License-Identifier: Apache-2.0
#include "input/forward/listener.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"

namespace millrace::input {
namespace {

using metrics::Metric;

// In one turn the receiver refuses so many kept messages at most: each was unpacked in vain.
constexpr int kRefusalsPerTurnMax = 16;
constexpr uint64_t kStopStepMs = 20;
// A client that never pauses would keep a stop waiting for all of its deadline.
constexpr uint64_t kStopGraceMs = 1000;

uint64_t tick_ms(const ListenerOptions& options) {
  const config::ForwardSource& source = options.source;
  uint64_t shortest = std::min(source.frame_timeout_ms, options.ack_deadline_ms);
  if (source.security) shortest = std::min(shortest, source.security->handshake_timeout_ms);
  if (source.idle_timeout_ms > 0) shortest = std::min(shortest, source.idle_timeout_ms);
  return std::clamp<uint64_t>(shortest / 4, 5, 1000);
}

}  // namespace

Listener::Listener(event::Loop& loop, ListenerOptions options,
                   std::unique_ptr<const Authenticator> authenticator, Receiver& receiver,
                   metrics::Cells& cells)
    : loop_(loop),
      options_(std::move(options)),
      authenticator_(std::move(authenticator)),
      context_(loop, receiver, cells, options_.source, options_.ack_deadline_ms,
               Gate{authenticator_.get(), options_.gate.new_challenge}, [this] { end_of_turn(); }),
      tick_timer_(loop, [this] { tick(); }),
      stop_timer_(loop, [this] { stop_step(); }) {
  tick_timer_.start(tick_ms(options_), tick_ms(options_));
}

Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::open(event::Loop& loop, ListenerOptions options,
                                                 Receiver& receiver, metrics::Cells& cells) {
  const event::ListenOptions listen{.address = options.source.bind,
                                    .port = options.source.port,
                                    .port_must_be_free = options.port_must_be_free};
  std::unique_ptr<const Authenticator> authenticator;
  if (options.source.security) {
    auto made = Authenticator::make(*options.source.security, options.host_names);
    if (!made) return tl::unexpected<Error>(made.error());
    authenticator = std::move(*made);
  }
  std::unique_ptr<Listener> listener(
      new Listener(loop, std::move(options), std::move(authenticator), receiver, cells));
  Listener& self = *listener;
  Result<std::unique_ptr<event::TcpListener>> socket = event::TcpListener::open(
      loop, listen,
      [&self](std::unique_ptr<event::TcpStream> stream) { self.accepted(std::move(stream)); });
  if (!socket) return tl::unexpected<Error>(socket.error());
  listener->socket_ = std::move(*socket);
  listener->port_ = listener->socket_->port();
  return listener;
}

void Listener::accepted(std::unique_ptr<event::TcpStream> stream) {
  // Where it is refused, the stream's end closes it. Nobody has to go for one over its own limit.
  if (!context_.sources.connect(stream->peer_address())) {
    context_.cells.add(Metric::kRefusedPerSource);
    log::warn("input", "a connection over connection_limit_per_source was refused",
              {{"peer", stream->peer_address()}, {"source", options_.source.id}});
    return;
  }
  if (connections_.size() >= options_.source.connection_limit && !make_room()) {
    context_.cells.add(Metric::kConnectionsRefused);
    log::warn("input", "a connection over connection_limit was refused",
              {{"peer", stream->peer_address()}, {"source", options_.source.id}});
    context_.sources.disconnect(stream->peer_address());
    return;
  }
  if (log::enabled(log::Level::kDebug)) {
    log::debug("input", "connection accepted", {{"peer", stream->peer_address()}});
  }
  const uint64_t id = ++last_id_;
  connections_.emplace(id, std::make_unique<Connection>(id, std::move(stream), context_));
  connection_count_ = connections_.size();
}

// Closes a connection that has shown nothing yet; false: there is none.
bool Listener::make_room() {
  const std::optional<uint64_t> id = context_.newcomers.first();
  if (!id) return false;
  find(*id)->make_room();
  erase_if_gone(*id);
  return true;
}

Connection* Listener::find(uint64_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Listener::erase_if_gone(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || !found->second->gone()) return;
  connections_.erase(found);
  connection_count_ = connections_.size();
}

void Listener::stored(Ticket ticket) {
  if (Connection* connection = find(ticket.connection)) connection->stored(ticket.message);
}

void Listener::failed(Ticket ticket) {
  if (Connection* connection = find(ticket.connection)) connection->failed(ticket.message);
}

void Listener::resume() {
  offers_left_ = context_.waiting.size();
  if (offers_left_ > 0) context_.end_of_turn.request();
}

void Listener::end_of_turn() {
  if (!context_.attention.empty()) {
    attended_.clear();
    attended_.swap(context_.attention);
    for (const uint64_t id : attended_) {
      if (Connection* connection = find(id)) connection->attend();
      erase_if_gone(id);
    }
  }
  if (std::exchange(context_.offer_kept, false)) resume();
  if (offers_left_ > 0) offer_kept();
  if (context_.memory.waiting() > 0) grant_memory();
  if (!context_.attention.empty() || offers_left_ > 0 || context_.offer_kept)
    context_.end_of_turn.request();
}

// Everyone who waits is asked once per resume(), in the order in which they came; who is refused
// queues up behind, so that a pass that is spread over turns leaves nobody out.
void Listener::offer_kept() {
  int refusals = 0;
  for (; offers_left_ > 0 && refusals < kRefusalsPerTurnMax; --offers_left_) {
    CHECK(!context_.waiting.empty());
    const uint64_t id = context_.waiting.front();
    context_.waiting.pop_front();
    Connection* connection = find(id);
    if (connection != nullptr && !connection->offer_again()) ++refusals;
  }
}

void Listener::grant_memory() {
  while (const uint64_t id = context_.memory.next()) {
    if (Connection* connection = find(id)) {
      connection->memory_granted();
    } else {
      context_.memory.finished(id);
    }
  }
}

void Listener::tick() {
  for (const auto& [id, connection] : connections_) connection->tick();
}

void Listener::stop_accepting() {
  if (socket_ != nullptr) socket_->close();
}

void Listener::close_all(uint64_t deadline_ms, std::function<void()> done) {
  CHECK(stop_done_ == nullptr);
  stop_accepting();
  stop_done_ = std::move(done);
  stop_begun_ms_ = loop_.now_ms();
  stop_deadline_ms_ = deadline_ms;
  stop_timer_.start(0, kStopStepMs);
}

void Listener::stop_step() {
  const uint64_t elapsed_ms = loop_.now_ms() - stop_begun_ms_;
  for (const auto& [id, connection] : connections_) {
    connection->finish_if_quiet();
    if (elapsed_ms >= kStopGraceMs) connection->finish_after_message();
    if (elapsed_ms >= stop_deadline_ms_ / 2) connection->cut_off();
  }
  if (elapsed_ms >= stop_deadline_ms_) {
    connections_.clear();
    connection_count_ = 0;
  }
  if (!connections_.empty()) return;
  stop_timer_.stop();
  // Posted, because whoever is told may end this listener.
  loop_.post(std::move(stop_done_));
}

}  // namespace millrace::input
