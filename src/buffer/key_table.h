// SPDX-License-Identifier: Apache-2.0
#pragma once

// KeyTable: the request keys of the last hour, so that a message sent again after a lost ack is not
// stored twice. For each key it knows in which logs the message is durable, and in which it is on
// its way; who sends a message again that is on its way waits for that commit. One for all workers.
// Stores nothing on disk: the keys lie in the groups of the logs, and are told at start. Invariant:
// a key is durable here only if a group with it is durable in that log.
// Any thread; one lock per request. Log bits are given once, before the first claim.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "buffer/request_key.h"

namespace millrace::buffer {

/// The logs that a key may lie in: one bit per buffer that the configuration names.
using LogBits = uint64_t;

class KeyTable {
 public:
  static constexpr size_t kEntriesMax = 1'000'000;
  static constexpr size_t kLogsMax = 64;

  enum class Claim : uint8_t {
    kOwned,    // new: the caller stores it, then durable() or failed() follows
    kPending,  // on its way: the waiter is called when that is decided
    kDurable,  // stored already
  };
  /// Told once, on the thread that decides: true when it is durable, false if the owner failed.
  using Waiter = std::function<void(bool durable)>;

  /// `window_ms` of running time, 0: keys are not kept. `entries_max` <= kEntriesMax.
  explicit KeyTable(uint64_t window_ms, size_t entries_max = kEntriesMax);

  bool on() const { return window_ms_ > 0; }
  uint64_t window_ms() const { return window_ms_; }

  /// True if `key` is durable in all of `logs`. Changes nothing.
  bool is_durable(const RequestKey& key, LogBits logs) const;
  /// True if claim() would not be answered kOwned. Changes nothing.
  bool knows(const RequestKey& key, LogBits logs) const;
  /// `waiter` is kept only for kPending; it may be empty.
  Claim claim(const RequestKey& key, LogBits logs, uint64_t now_ms, const Waiter& waiter);
  /// The owner's group is durable in `logs`; whoever waits is told.
  void durable(const RequestKey& key, LogBits logs);
  /// The owner could not store it: the key is free again, whoever waits is told.
  void failed(const RequestKey& key, LogBits logs);
  /// Found in a group of `logs` at start.
  void found(const RequestKey& key, LogBits logs, uint64_t now_ms);
  /// The client has sent its next message after the ack: equal content is new from now on. Nothing
  /// happens while it is pending: that ack nobody has read, and the message may be sent again.
  void ended(const RequestKey& key);
  /// Equal content is new from now on, and is stored also while this one is on its way.
  void renew(const RequestKey& key);

  struct Status {
    size_t entries = 0;
    uint64_t evicted_early = 0;  // for want of room, before the window was over
    uint64_t window_ms = 0;      // age of the oldest entry that may be there
  };
  Status status(uint64_t now_ms) const;

 private:
  struct Entry {
    RequestKey key;
    LogBits pending = 0;
    LogBits durable = 0;
    uint32_t owners = 0;  // that store it now: more than one after renew()
    bool ended = false;   // while pending: who claims it next owns it
  };
  /// The first entry that was added at `ms` or later is at `place`.
  struct Milestone {
    uint64_t ms;
    uint64_t place;
  };

  Entry& entry(uint64_t place) { return ring_[place % ring_.size()]; }
  size_t slot_of(const RequestKey& key) const;
  Entry* find(const RequestKey& key);
  Entry& add(const RequestKey& key, uint64_t now_ms);
  void grow();
  void index(uint64_t place);
  void erase_slot(size_t slot);
  void evict_old(uint64_t now_ms);
  void evict_first();
  void forget(Entry& entry);
  static bool last_owner_left(Entry& entry);
  std::vector<Waiter> take_waiters(const RequestKey& key);

  const uint64_t window_ms_;
  const uint64_t step_ms_;
  const size_t entries_max_;

  mutable std::mutex mutex_;     // guards all below
  std::vector<Entry> ring_;      // by place modulo its size, a power of two
  std::vector<uint32_t> slots_;  // open addressing: place modulo ring size; twice as many
  uint64_t first_ = 0;           // place of the oldest entry
  uint64_t next_ = 0;            // place of the next one
  size_t live_ = 0;
  std::deque<Milestone> milestones_;
  uint64_t evicted_early_ = 0;
  struct KeyHash {
    size_t operator()(const RequestKey& key) const;
  };
  std::unordered_map<RequestKey, std::vector<Waiter>, KeyHash> waiters_;
};

}  // namespace millrace::buffer
