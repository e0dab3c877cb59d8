// SPDX-License-Identifier: Apache-2.0
// How a client is let in, where the source has security: before anything else of it is read.

#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "input/forward/connection.h"

namespace millrace::input {

using metrics::Metric;

void Connection::begin_handshake() {
  handshake_ =
      std::make_unique<Handshake>(*context_.gate.authenticator, context_.gate.new_challenge());
  if (!stream_->write(handshake_->helo())) on_broken(EPIPE);
}

// Returns the bytes that are done with. Behind a PING messages may lie already.
size_t Connection::shake_hands(std::string_view bytes) {
  if (turn_ms_ == 0 && handshake_->will_judge(bytes) && !take_turn()) return 0;
  Handshake::Step step = handshake_->take(bytes, stream_->peer_address());
  if (step.kind == Handshake::Step::Kind::kNeedMore) return 0;
  client_ = std::move(step.hostname);  // told by the log, whoever it is
  const bool written = stream_->write(step.pong);
  if (step.kind == Handshake::Step::Kind::kRefused) {
    const bool guess =
        step.reason == CloseReason::kSharedKeyMismatch || step.reason == CloseReason::kUserMismatch;
    if (guess && turn_ms_ == 0) {
      context_.sources.guessed_wrong(stream_->peer_address(), context_.loop.now_ms());
    }
    close_because(step.reason, step.protocol);
    return step.size;
  }
  if (!written) {
    on_broken(EPIPE);
    return step.size;
  }
  context_.cells.add(Metric::kHandshakes);
  handshake_.reset();
  prove();
  return step.size;
}

// Whether what came may be judged now. Else it waits for turn_came(), or the connection is closed.
bool Connection::take_turn() {
  const uint64_t now_ms = context_.loop.now_ms();
  const std::optional<uint64_t> turn_ms = context_.sources.turn(
      stream_->peer_address(), now_ms, context_.source.security->handshake_timeout_ms);
  if (!turn_ms) {
    close_because(CloseReason::kTooManyGuesses);
    return false;
  }
  if (*turn_ms == now_ms) return true;
  turn_ms_ = *turn_ms;
  context_.cells.add(Metric::kHandshakesDelayed);
  pause(kForTurn);
  return false;
}

void Connection::turn_came() {
  unpause(kForTurn);
  if (takes_messages() && pauses_ == 0) work_on_buffer();
  after_work();
}

}  // namespace millrace::input
