// SPDX-License-Identifier: Apache-2.0
#pragma once

// A listener on a loop of its own with a receiver that keeps what it gets, for tests of the forward
// input over real sockets. All but start, stop and on_loop belongs to the loop's thread.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/msgpack_token.h"
#include "event/loop.h"
#include "input/forward/entry_reader.h"
#include "input/forward/listener.h"
#include "tests/support/bytes.h"
#include "tests/support/tcp_client.h"

namespace millrace::input {

constexpr EventTime kServerNow{1'800'000'000, 42};

struct Event {
  std::string tag;
  EventTime time;
  std::string record;

  friend bool operator==(const Event&, const Event&) = default;
};

/// Walks the entries as ingest does. False: the framing is lost.
inline bool take_events(const Message& message, std::vector<Event>& events, EntryCounts& counts) {
  EntryReader reader(message, kServerNow);
  Entry entry;
  std::vector<Event> found;
  while (reader.next(entry)) {
    const char* p = entry.record;
    switch (msgpack_token::skip(p, reader.end())) {
      case msgpack_token::Status::kOk:
        found.push_back({std::string(message.tag), entry.time, std::string(entry.record, p)});
        reader.advance(p);
        break;
      case msgpack_token::Status::kTruncated:
        reader.record_truncated();
        break;
      case msgpack_token::Status::kMalformed:
        reader.record_malformed();
        break;
    }
  }
  counts = reader.counts();
  if (reader.malformed()) return false;
  events.insert(events.end(), found.begin(), found.end());
  return true;
}

class FakeReceiver : public Receiver {
 public:
  Verdict receive(const Message& message, Ticket ticket) override {
    ++offered;
    if (!verdicts.empty()) {
      const Verdict verdict = verdicts.front();
      verdicts.pop_front();
      if (verdict != Verdict::kTaken) return verdict;
    }
    if (message.tag == endless_tag) return Verdict::kAgain;
    if (without_memory) return Verdict::kNoMemory;
    if (is_full(message.tag)) return Verdict::kNotNow;
    EntryCounts counts;
    if (!take_events(message, events, counts)) return Verdict::kMalformed;
    discarded += counts.not_a_map + counts.not_an_entry + counts.invalid_time + counts.truncated;
    chunks.emplace_back(message.chunk);
    peers.emplace_back(message.peer);
    clients.emplace_back(message.client);
    modes.push_back(message.mode);
    tickets.push_back(ticket);
    return Verdict::kTaken;
  }

  Verdict undecodable(const Message& message, Ticket ticket) override {
    given_up.emplace_back(message.entries);
    if (when_given_up == Verdict::kTaken) {
      chunks.emplace_back(message.chunk);
      tickets.push_back(ticket);
    }
    return when_given_up;
  }

  bool may_take(const ConnectionNote&) override {
    ++asked;
    return !without_memory;
  }

  bool has_room(std::string_view tag, uint64_t) override {
    ++asked_for_room;
    return !is_full(tag);
  }
  bool is_full(std::string_view tag) const { return full || tag == full_tag; }

  Verdict when_given_up = Verdict::kMalformed;
  std::vector<std::string> given_up;  // the frames
  std::deque<Verdict> verdicts;       // of the next messages; then kTaken
  bool full = false;
  std::string full_tag = "-";     // no room for this one alone
  std::string endless_tag = "-";  // takes turn after turn
  size_t asked_for_room = 0;
  bool without_memory = false;  // says so before a kept message is unpacked again
  size_t asked = 0;
  std::vector<Event> events;
  std::vector<std::string> chunks;
  std::vector<std::string> peers;
  std::vector<std::string> clients;
  std::vector<Mode> modes;
  std::vector<Ticket> tickets;  // taken, not answered yet
  uint64_t discarded = 0;
  int offered = 0;
};

class ForwardServer {
 public:
  static config::ForwardSource local_source() {
    config::ForwardSource source;
    source.port = 0;
    return source;
  }

  explicit ForwardServer(ListenerOptions options = {.source = local_source()})
      : cells_(registry_.make_cells("")),
        answers_(loop_, event::TurnStage::kSubmit, [this] { answer(); }) {
    Result<std::unique_ptr<Listener>> listener =
        Listener::open(loop_, std::move(options), receiver_, cells_);
    EXPECT_TRUE(listener.has_value()) << listener.error().message;
    listener_ = std::move(*listener);
    port_ = listener_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~ForwardServer() { stop(); }

  void stop() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    listener_.reset();
  }

  /// Runs `task` on the loop and waits for it.
  void on_loop(const std::function<void()>& task) {
    std::promise<void> ran;
    loop_.post([&] {
      task();
      ran.set_value();
    });
    ran.get_future().wait();
  }

  template <class T>
  T ask(const std::function<T()>& question) {
    T out{};
    on_loop([&] { out = question(); });
    return out;
  }
  std::vector<Event> events() {
    return ask<std::vector<Event>>([this] { return receiver_.events; });
  }
  uint64_t count(metrics::Metric metric) const { return cells_.value(metric); }
  uint16_t port() const { return port_; }

  /// Messages are stored as soon as the turn is over, unless `hold`.
  bool hold_ = false;
  event::Loop loop_;
  metrics::Registry registry_;
  metrics::Cells& cells_;
  FakeReceiver receiver_;
  std::unique_ptr<Listener> listener_;

 private:
  void answer() {
    if (hold_) return;
    // As from a commit thread: the answers come in a later turn.
    for (const Ticket ticket : std::exchange(receiver_.tickets, {})) {
      loop_.post([this, ticket] {
        if (listener_ != nullptr) listener_->stored(ticket);
      });
    }
  }

  event::EndOfTurn answers_;
  uint16_t port_ = 0;
  std::thread thread_;
};

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace millrace::input
