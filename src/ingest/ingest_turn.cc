// SPDX-License-Identifier: Apache-2.0
// What Ingest does between messages: batches, completions, time.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "ingest/ingest.h"

namespace millrace::ingest {

using input::Message;
using metrics::Metric;

namespace {
constexpr uint64_t kOfferEveryMs = 500;
constexpr uint64_t kPadAfterMs = 1000;
}  // namespace

Ingest::Ingest(IngestParts parts) : parts_(std::move(parts)) {
  for (const auto& lane : parts_.lanes) {
    logs_.push_back(&lane->log());
  }
  if (parts_.unmatched != nullptr) logs_.push_back(&parts_.unmatched->log());
}

Ingest::~Ingest() = default;

Ingest::Inlet& Ingest::add_inlet() { return *inlets_.emplace_back(std::make_unique<Inlet>(*this)); }

input::EntryReader Ingest::reader_of(const input::Message& message) const {
  const uint64_t now_us = parts_.io.clock.wall_us();
  const EventTime now{.seconds = static_cast<int64_t>(now_us / 1'000'000),
                      .nanoseconds = static_cast<uint32_t>(now_us % 1'000'000 * 1000)};
  return input::EntryReader(message, now);
}

Ingest::Target Ingest::target_of(std::string_view tag) {
  const int output = parts_.router.route(tag);
  if (output != route::Router::kNoOutput) {
    Lane* const lane = parts_.lanes[static_cast<size_t>(output)].get();
    return {lane, &lane->log()};
  }
  return {nullptr, parts_.unmatched != nullptr ? &parts_.unmatched->log() : nullptr};
}

bool Ingest::pool_takes(uint64_t estimate) {
  const PoolGate::Use use{
      .bytes = parts_.pool.bytes_in_use(), .stuck = stuck_bytes(), .idle = idle()};
  if (gate_.admits(estimate, use, parts_.io.clock.running_ms())) return true;
  blocked_ = true;  // commits_done() offers it again
  return false;
}

// Asked before a message that was kept is unpacked again.
bool Ingest::Inlet::may_take(const input::ConnectionNote& note) {
  return ingest_.is_worth_an_offer(note);
}

// Its log is asked first: what waits for that must not hold up who waits for memory.
bool Ingest::is_worth_an_offer(const input::ConnectionNote& note) {
  if (note.full_log > 0) {
    const size_t number = note.full_log - 1;
    Lane* const lane = number < parts_.lanes.size() ? parts_.lanes[number].get() : nullptr;
    if (!has_room({lane, logs_[number]}, note.estimate)) return false;
  }
  if (PoolGate::is_large(note.estimate) && parts_.shared.large_token) {
    blocked_ = true;
    return false;
  }
  return pool_takes(note.estimate);
}

// Asked in the midst of a message.
bool Ingest::Inlet::has_room(std::string_view tag, uint64_t size) {
  return ingest_.has_room(ingest_.target_of(tag), estimate_of(size));
}

// What will be refused, or makes its own room, does not wait.
bool Ingest::has_room(const Target& target, uint64_t estimate) {
  if (target.log == nullptr) return true;
  const buffer::Room room = target.log->room(estimate);
  const config::OverflowAction action = overflow_action_of(target.lane);
  const bool refused =
      room != buffer::Room::kNotYet && action == config::OverflowAction::kThrowException;
  const bool drops = room == buffer::Room::kFull &&
                     action == config::OverflowAction::kDropOldestChunk &&
                     target.log->queue().queued() > 0;
  if (room == buffer::Room::kYes || refused || drops) return true;
  wait_for(*target.log, action, room);
  return false;
}

// What waits for a spare may find room behind the commit that is under way. On a full disk the room
// comes when housekeeping has removed what was dropped.
void Ingest::wait_for(buffer::Log& log, config::OverflowAction action, buffer::Room room) {
  if (room == buffer::Room::kDiskFull && action == config::OverflowAction::kDropOldestChunk) {
    log.drop_for_disk();
  }
  (room == buffer::Room::kNotYet ? blocked_ : without_room_) = true;
  log.when_room(room, parts_.wake_for_room);
}

void Ingest::count(const Message& message, const input::EntryCounts& counts, uint64_t stored) {
  metrics::Cells& cells = parts_.cells;
  cells.add(Metric::kReceivedEntries, stored);
  cells.add(Metric::kDiscardedNotEntry, counts.not_an_entry);
  cells.add(Metric::kDiscardedNotMap, counts.not_a_map);
  cells.add(Metric::kDiscardedBadTime, counts.invalid_time);
  cells.add(Metric::kDiscardedTruncated, counts.truncated);
  cells.add(Metric::kOddTime, counts.odd_times);
  if (counts.not_an_entry + counts.not_a_map + counts.invalid_time + counts.truncated == 0) return;
  input::ConnectionNote& note = *message.note;
  const bool goes_on = note.walked > 0;
  if (goes_on && std::exchange(note.left_out_told, true)) return;
  log::warn("ingest", "entries that are no events were left out",
            {{"peer", message.peer},
             {"tag", message.tag},
             {"entry_not_an_array", counts.not_an_entry},
             {"record_not_a_map", counts.not_a_map},
             {"invalid_time", counts.invalid_time},
             {"truncated", counts.truncated}});
}

void Ingest::count(const Message& message, const Request& request) {
  if (request.too_deep > 0) {
    log::warn("ingest", "events nested too deep were left out",
              {{"peer", message.peer}, {"tag", message.tag}, {"events", request.too_deep}});
  }
  parts_.cells.add(Metric::kDiscardedTooDeep, request.too_deep);
  parts_.cells.add(Metric::kReplacedValues, request.replaced.invalid_utf8);
  parts_.cells.add(Metric::kReplacedNotFinite, request.replaced.not_finite);
  parts_.cells.add(Metric::kReplacedExt, request.replaced.ext);
}

void Ingest::submit() {
  for (buffer::Log* log : logs_) {
    log->submit(parts_.commits);
  }
}

void Ingest::submit_what_is_due() {
  bool all_due = true;
  for (buffer::Log* log : logs_) {
    all_due = log->submit_if_due(parts_.commits) && all_due;
  }
  parts_.submit_soon(!all_due);
}

void Ingest::commits_done() {
  parts_.commits.take_completions(completions_);
  for (buffer::CommitThread::Completion& done : completions_) {
    auto& log = static_cast<buffer::Log&>(*done.target);
    log.completed(*done.batch);
    complete(*done.batch);
    log.appender().reuse(std::move(done.batch));
  }
  submit_what_is_due();
  if (blocked_) room_came();
}

// Every request of a commit is answered, in the order of their arrival.
void Ingest::complete(const buffer::Batch& batch) {
  for (const uint64_t id : batch.requests) {
    answer(id, true);
  }
}

void Ingest::answer(uint64_t id, bool durable) {
  const PendingRequest request = pending_.complete(id);
  if (request.large) parts_.shared.large_token = false;
  if (request.replies == nullptr) return;
  if (durable) {
    request.replies->stored(request.ticket);
  } else {
    request.replies->failed(request.ticket);
  }
}

void Ingest::room_came() {
  blocked_ = without_room_ = false;  // a message that still finds no room sets one again
  offered_ms_ = parts_.io.clock.running_ms();
  for (const auto& inlet : inlets_) {
    if (inlet->replies_ != nullptr) inlet->replies_->resume();
  }
}

void Ingest::tick() {
  const uint64_t now = parts_.io.clock.running_ms();
  for (const auto& lane : parts_.lanes) {
    const config::Buffer& options = lane->options();
    if (options.flush_mode == config::FlushMode::kInterval && now >= options.flush_interval_ms) {
      lane->log().appender().seal_older_than(now - options.flush_interval_ms,
                                             buffer::SealReason::kInterval);
    }
  }
  if (parts_.unmatched != nullptr && now >= Unmatched::kFlushIntervalMs) {
    parts_.unmatched->log().appender().seal_older_than(now - Unmatched::kFlushIntervalMs,
                                                       buffer::SealReason::kInterval);
  }
  for (buffer::Log* log : logs_) {
    if (log->wants_pad(kPadAfterMs)) log->appender().put_pad();
    log->publish_counts();
  }
  submit();
  // Who waits for a log is woken by it; this is for the case that it was not.
  if (blocked_ || (without_room_ && now >= offered_ms_ + kOfferEveryMs)) room_came();
}

size_t Ingest::seal_all(buffer::SealReason reason, const std::vector<bool>& chosen) {
  size_t sealed = 0;
  for (size_t i = 0; i < logs_.size(); ++i) {
    if (i >= chosen.size() || chosen[i]) sealed += logs_[i]->appender().seal_all(reason);
  }
  submit();
  return sealed;
}

size_t Ingest::prove_all() {
  size_t pads = 0;
  for (buffer::Log* log : logs_) {
    if (!log->wants_pad(0)) continue;
    log->appender().put_pad();
    ++pads;
  }
  submit();
  return pads;
}

bool Ingest::idle() const {
  return pending_.size() == 0 &&
         std::none_of(logs_.begin(), logs_.end(), [](const buffer::Log* log) {
           return (log->commit_under_way() && !log->starting()) || log->appender().has_batch();
         });
}

uint64_t Ingest::stuck_bytes() const {
  uint64_t bytes = 0;
  for (const buffer::Log* log : logs_) {
    const uint64_t stuck = log->stuck_bytes();
    if (stuck > 0) bytes += stuck + 2 * buffer::BlockPool::kBlockBytes;  // two batches' last blocks
  }
  return bytes;
}

}  // namespace millrace::ingest
