// SPDX-License-Identifier: Apache-2.0
// How a connection ends: by the client, by a deadline, by a stop, by bytes that are no message.

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "input/forward/connection.h"

namespace millrace::input {
namespace {

using metrics::Metric;

// After our FIN the client gets so long to read its last ack and to close.
constexpr uint64_t kDrainMs = 1000;
constexpr uint64_t kNsPerMs = 1'000'000;

// The option that a client has met, and that its operator may want to raise.
struct Limit {
  const char* name = nullptr;
  uint64_t value = 0;
};

Limit limit_of(CloseReason reason, const config::ForwardSource& source) {
  switch (reason) {
    case CloseReason::kFrameLimit:
      return {"frame_limit", source.frame_limit};
    case CloseReason::kInflateLimit:
      return {"decompression_size_limit", source.decompression_size_limit};
    case CloseReason::kInflateRatio:
      return {"decompression_ratio_limit", source.decompression_ratio_limit};
    case CloseReason::kFrameTimeout:
      return {"frame_timeout_ms", source.frame_timeout_ms};
    case CloseReason::kFrameRate:
      return {"frame_rate_min", source.frame_rate_min};
    case CloseReason::kMadeRoom:
      return {"connection_limit", source.connection_limit};
    default:
      return {};
  }
}

}  // namespace

void Connection::on_end() {
  if (state_ != State::kOpen) return;
  state_ = State::kEnded;
  after_work();
}

void Connection::on_broken(int errno_value) {
  if (log::enabled(log::Level::kDebug)) {
    log::debug("input", "connection lost",
               {{"peer", stream_->peer_address()}, {"errno", errno_value}});
  }
  if (takes_messages() && !buffer_.empty()) count_cut_short();
  stream_->stop_reading();
  state_ = State::kGone;
  request_attention();
}

void Connection::on_finished() {
  state_ = State::kGone;
  request_attention();
}

// The client began a message, or left messages waiting, and has gone.
void Connection::count_cut_short() {
  context_.cells.add(Metric::kDiscardedFrames);
  context_.cells.add(Metric::kDiscardedFrameBytes, buffer_.size());
  buffer_.clear();
}

void Connection::drop_buffer() {
  context_.cells.add(Metric::kDiscardedClosedBytes, buffer_.size());
  buffer_.clear();
  account();
}

void Connection::close_because(CloseReason reason, const char* protocol) {
  const CloseReasonInfo& info = info_of(reason);
  context_.cells.add(info.metric);
  if (reason == CloseReason::kNotMessage) context_.cells.add(Metric::kDiscardedMessage);
  if (reason == CloseReason::kForeign) {
    log::warn("input", info.message, {{"peer", stream_->peer_address()}, {"protocol", protocol}});
  } else if (const Limit limit = limit_of(reason, context_.source); limit.name != nullptr) {
    log::warn("input", info.message,
              {{"peer", stream_->peer_address()}, {limit.name, limit.value}});
  } else if (!client_.empty()) {
    log::warn("input", info.message, {{"peer", stream_->peer_address()}, {"client", client_}});
  } else {
    log::warn("input", info.message, {{"peer", stream_->peer_address()}});
  }
  end_reading();
}

std::optional<CloseReason> Connection::overdue(uint64_t now_ms) {
  const uint64_t timeout_ms = context_.source.frame_timeout_ms;
  const uint64_t deadline_ms = context_.ack_deadline_ms;
  const bool kept = takes_messages() && (pauses_ & (kForRoom | kForWork)) != 0;
  // An ack that comes too late would be taken for that of a later message.
  if ((kept && now_ms > last_read_ns_ / kNsPerMs + deadline_ms) ||
      (!pending_.empty() && now_ms > pending_.arrived_ns(0) / kNsPerMs + deadline_ms)) {
    return CloseReason::kAckDeadline;
  }
  if (handshake_ != nullptr && turn_ms_ == 0 && state_ == State::kOpen &&
      now_ms > opened_ms_ + context_.source.security->handshake_timeout_ms) {
    return CloseReason::kHandshakeTimeout;
  }
  if (handshake_ != nullptr || state_ != State::kOpen || buffer_.empty()) return std::nullopt;
  if (hogs_memory(now_ms)) return CloseReason::kFrameTimeout;
  if (pauses_ != 0) return std::nullopt;
  if (now_ms > progress_ms_ + timeout_ms) return CloseReason::kFrameTimeout;
  if (frame_rate_.too_slow(now_ms)) return CloseReason::kFrameRate;
  return std::nullopt;
}

// Who holds much while others wait has frame_timeout for the whole frame, else for its next byte.
// That may be one that waits itself: else those who hold the memory would have their turns to do
// nothing with one after the other.
bool Connection::hogs_memory(uint64_t now_ms) const {
  const uint64_t timeout_ms = context_.source.frame_timeout_ms;
  return (pauses_ == 0 || pauses_ == kForMemory) && buffer_.size() > context_.memory.share() &&
         now_ms > frame_rate_.since_ms() + timeout_ms &&
         context_.memory.awaited_since(now_ms - timeout_ms);
}

void Connection::end_if_idle(uint64_t now_ms) {
  const uint64_t timeout_ms = context_.source.idle_timeout_ms;
  const bool idle = timeout_ms > 0 && state_ == State::kOpen && handshake_ == nullptr &&
                    pauses_ == 0 && buffer_.empty() && pending_.empty() &&
                    now_ms > progress_ms_ + timeout_ms;
  if (!idle) return;
  context_.cells.add(Metric::kClosedIdle);
  log::debug("input", "closed after idle_timeout", {{"peer", stream_->peer_address()}});
  finish();
}

void Connection::make_room() {
  close_because(CloseReason::kMadeRoom);
  drop_buffer();
  state_ = State::kGone;
}

void Connection::tick() {
  if (state_ == State::kFinishing || state_ == State::kGone) return;
  const uint64_t now_ms = context_.loop.now_ms();
  if ((pauses_ & kForTurn) != 0 && now_ms >= turn_ms_) turn_came();
  end_if_idle(now_ms);
  if (state_ == State::kFinishing || state_ == State::kGone) return;
  if (const std::optional<CloseReason> reason = overdue(now_ms)) {
    if (*reason == CloseReason::kAckDeadline) pending_.drop_all();
    close_because(*reason);
    drop_buffer();
    finish_when_done();
    if (state_ == State::kFinishing || state_ == State::kGone) return;
  }
  if (stream_->queued_bytes() == 0) {
    blocked_since_ms_ = 0;
  } else if (blocked_since_ms_ == 0) {
    blocked_since_ms_ = now_ms;
  } else if (now_ms > blocked_since_ms_ + context_.source.frame_timeout_ms) {
    close_because(CloseReason::kNotReading);
    on_broken(ETIMEDOUT);
  }
}

void Connection::finish_if_quiet() {
  const bool quiet = std::exchange(quiet_, true);
  if (quiet && state_ == State::kOpen && buffer_.empty() && pending_.empty()) finish();
}

void Connection::finish_after_message() {
  last_message_ = true;
  if (handshake_ != nullptr || (takes_messages() && buffer_.empty())) cut_off();
}

void Connection::cut_off() {
  if (!takes_messages()) return;
  end_reading();
  drop_buffer();
  finish_when_done();
}

void Connection::end_reading() {
  stream_->stop_reading();
  context_.drop_payload(id_);
  context_.memory.reads_no_more(id_);
  context_.end_of_turn.request();  // others may have what it held
  state_ = State::kClosing;
}

void Connection::finish_when_done() {
  const bool done = pending_.empty() &&
                    ((state_ == State::kEnded && buffer_.empty()) || state_ == State::kClosing);
  if (done) finish();
}

void Connection::finish() {
  state_ = State::kFinishing;
  stream_->finish(kDrainMs);
}

}  // namespace millrace::input
