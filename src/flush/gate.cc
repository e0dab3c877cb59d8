// SPDX-License-Identifier: Apache-2.0
#include "flush/gate.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace millrace::flush {
namespace {

using metrics::Metric;
using output::Outcome;

// No longer at a time, so that a clock that jumps is noticed.
constexpr uint64_t kWaitMsMax = 1'000;
constexpr uint64_t kMeasureMs = 1'000;
constexpr uint64_t kMeasureMsMin = 100;

uint64_t since(uint64_t then_ms, uint64_t now_ms) {
  return now_ms > then_ms ? now_ms - then_ms : 0;
}

bool is_answer(Outcome outcome) {
  return outcome == Outcome::kCommitted || outcome == Outcome::kRejected;
}

}  // namespace

Gate::Gate(io::Io io, std::string output_id, const config::Buffer& options,
           metrics::Registry& registry)
    : io_(io),
      output_id_(std::move(output_id)),
      cells_(registry.make_cells(output_id_)),
      started_ms_(io.clock.running_ms()),
      mark_ms_(started_ms_),
      breaker_(options) {}

void Gate::add_queue(const buffer::ChunkQueue& queue) {
  const std::lock_guard lock(mutex_);
  queues_.push_back(&queue);
}

void Gate::remove_queue(const buffer::ChunkQueue& queue) {
  const std::lock_guard lock(mutex_);
  queues_.erase(std::remove(queues_.begin(), queues_.end(), &queue), queues_.end());
}

std::optional<Permit> Gate::enter(const Due& due, const std::atomic<bool>& stopped) {
  if (closed_.load(std::memory_order_acquire)) return Permit{};
  std::unique_lock lock(mutex_);
  Room& room = due.failed ? failed_ : new_;
  while (!stopped) {
    const uint64_t now = io_.clock.running_ms();
    Permit permit;
    const uint64_t wait_ms = breaker_.ask(due, now, io_.random.next(), permit);
    publish(now);
    if (wait_ms == 0) {
      room.changed.notify_one();  // the next one watches
      return permit;
    }
    wait_in(room, lock, now, wait_ms);
    if (due.failed) break;
  }
  return std::nullopt;
}

// The moment may have come nearer since somebody began to wait for it.
void Gate::wait_in(Room& room, std::unique_lock<std::mutex>& lock, uint64_t now_ms,
                   uint64_t wait_ms) {
  if (wait_ms == Breaker::kUntilChange || now_ms + wait_ms >= room.watched_ms) {
    room.changed.wait_for(lock, std::chrono::milliseconds(kWaitMsMax));
    return;
  }
  const uint64_t moment = now_ms + wait_ms;
  room.watched_ms = moment;
  room.changed.wait_for(lock, std::chrono::milliseconds(std::min(wait_ms, kWaitMsMax)));
  if (room.watched_ms == moment) room.watched_ms = kNobody;
}

void Gate::wake_one() {
  new_.changed.notify_one();
  failed_.changed.notify_one();
}

void Gate::wake_all() {
  new_.changed.notify_all();
  failed_.changed.notify_all();
}

void Gate::cancel(const Permit& permit) {
  if (permit.kind == Permit::Kind::kFree) return;
  const std::lock_guard lock(mutex_);
  breaker_.cancel(permit);
  wake_one();
}

void Gate::use(Permit& permit, const buffer::QueuedChunk& chunk) {
  if (permit.kind == Permit::Kind::kFree) return;
  const std::lock_guard lock(mutex_);
  breaker_.use(permit, chunk.body_bytes, chunk.failures > 0, io_.clock.running_ms(),
               io_.random.next());
  wake_one();
}

void Gate::note(const Permit& permit, const Answer& answer, const std::string& detail) {
  const uint64_t now = io_.clock.running_ms();
  if (answer.outcome == Outcome::kCommitted) count_delivered(answer.bytes, now);
  if (closed_.load(std::memory_order_acquire) && is_answer(answer.outcome) &&
      !failing_.load(std::memory_order_relaxed)) {
    answered_ms_.store(now, std::memory_order_relaxed);
    return;
  }
  const std::lock_guard lock(mutex_);
  const uint64_t period = breaker_.period();
  breaker_.heard(answered_ms_.load(std::memory_order_relaxed));
  breaker_.note(permit, answer, delivered_rate(now), now, io_.random.next());
  if (answer.outcome == Outcome::kCommitted) last_error_.clear();
  if (!is_answer(answer.outcome)) last_error_ = detail;
  publish(now);
  if (breaker_.period() != period) {
    wake_all();
  } else {
    // Each answer of a ramp lets two more go; when a probe has failed, one watches for the next.
    wake_one();
    if (breaker_.state() == Breaker::State::kRamping) wake_one();
  }
}

void Gate::wake() {
  const std::lock_guard lock(mutex_);
  wake_all();
}

// One second at a time, so that a first refusal finds what the service took before it.
void Gate::count_delivered(uint64_t bytes, uint64_t now_ms) {
  const uint64_t total = delivered_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (since(mark_ms_.load(std::memory_order_relaxed), now_ms) < kMeasureMs) return;
  const std::lock_guard lock(mutex_);
  const uint64_t elapsed = since(mark_ms_, now_ms);
  if (elapsed < kMeasureMs) return;
  last_rate_ = static_cast<double>(total - mark_bytes_) / static_cast<double>(elapsed);
  mark_bytes_ = total;
  mark_ms_ = now_ms;
}

double Gate::delivered_rate(uint64_t now_ms) const {
  const uint64_t elapsed = since(mark_ms_, now_ms);
  if (elapsed < kMeasureMsMin) return last_rate_;
  const auto bytes = static_cast<double>(delivered_bytes_ - mark_bytes_);
  return std::max(bytes / static_cast<double>(elapsed), elapsed < kMeasureMs ? last_rate_ : 0.0);
}

// What others see of the breaker after a step of it.
void Gate::publish(uint64_t now_ms) {
  const Breaker::State state = breaker_.state();
  closed_.store(state == Breaker::State::kClosed, std::memory_order_release);
  failing_.store(breaker_.failing(), std::memory_order_relaxed);
  cells_.set(Metric::kBreakerOpen, state == Breaker::State::kOpen ? 1 : 0);
  cells_.set(Metric::kBreakerThrottled, state == Breaker::State::kThrottled ? 1 : 0);
  cells_.set(Metric::kBreakerOpens, breaker_.opens());
  cells_.set(Metric::kBreakerThrottles, breaker_.throttles());
  cells_.set(Metric::kBreakerProbes, breaker_.probes());
  const Trouble trouble = state == Breaker::State::kThrottled ? Trouble::kThrottled
                          : state == Breaker::State::kOpen    ? Trouble::kUnavailable
                                                              : Trouble::kNone;
  if (trouble != trouble_) tell(trouble, now_ms);
}

// One line when it begins and one when it ends, in place of one for each chunk.
void Gate::tell(Trouble trouble, uint64_t now_ms) {
  if (trouble_ == Trouble::kUnavailable) {
    log::info("flush", "the output answers again; its chunks go out",
              {{"output", output_id_},
               {"waiting_chunks", waiting_chunks()},
               {"away_ms", since(trouble_ms_, now_ms)},
               {"probes", breaker_.probes() - trouble_probes_}});
  }
  if (trouble_ == Trouble::kThrottled && trouble == Trouble::kNone) {
    log::info("flush", "the output takes all that it is sent again",
              {{"output", output_id_},
               {"waiting_chunks", waiting_chunks()},
               {"throttled_ms", since(trouble_ms_, now_ms)}});
  }
  if (trouble == Trouble::kUnavailable) {
    log::warn(
        "flush", "the output does not answer; its chunks wait, one at a time is tried",
        {{"output", output_id_}, {"waiting_chunks", waiting_chunks()}, {"error", last_error_}});
  }
  if (trouble == Trouble::kThrottled) {
    log::warn("flush", "the output takes less than it is sent; requests are spaced",
              {{"output", output_id_},
               {"waiting_chunks", waiting_chunks()},
               {"bytes_per_second", static_cast<uint64_t>(breaker_.pacer().rate() * 1000)},
               {"error", last_error_}});
  }
  trouble_ = trouble;
  trouble_ms_ = now_ms;
  trouble_probes_ = breaker_.probes();
}

uint64_t Gate::waiting_chunks() const {
  uint64_t chunks = 0;
  for (const buffer::ChunkQueue* const queue : queues_) chunks += queue->queued();
  return chunks;
}

bool Gate::told(Outcome outcome) const {
  const Trouble trouble = trouble_.load(std::memory_order_relaxed);
  return trouble == Trouble::kUnavailable ||
         (trouble == Trouble::kThrottled && outcome == Outcome::kThrottled);
}

uint64_t Gate::failing_since_ms() const {
  const std::lock_guard lock(mutex_);
  return breaker_.failing_since_ms();
}

GateStatus Gate::status() {
  const uint64_t now = io_.clock.running_ms();
  const std::lock_guard lock(mutex_);
  breaker_.settle(now);
  publish(now);
  const bool open = breaker_.state() == Breaker::State::kOpen;
  return GateStatus{.state = state_name(breaker_.state(), breaker_.probing()),
                    .since_ms = since(std::max(breaker_.since_ms(), started_ms_), now),
                    .next_probe_ms = open ? since(now, breaker_.next_request_ms(now)) : 0,
                    .opens = breaker_.opens(),
                    .probes = breaker_.probes(),
                    .hopeless = breaker_.hopeless(),
                    .last_error = last_error_};
}

}  // namespace millrace::flush
