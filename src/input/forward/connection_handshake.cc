// SPDX-License-Identifier: Apache-2.0
// How a client is let in, where the source has security: before anything else of it is read.

#include <cerrno>
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
  Handshake::Step step = handshake_->take(bytes, stream_->peer_address());
  if (step.kind == Handshake::Step::Kind::kNeedMore) return 0;
  client_ = std::move(step.hostname);  // told by the log, whoever it is
  const bool written = stream_->write(step.pong);
  if (step.kind == Handshake::Step::Kind::kRefused) {
    close_because(step.reason, step.protocol);
    return step.size;
  }
  if (!written) {
    on_broken(EPIPE);
    return step.size;
  }
  context_.cells.add(Metric::kHandshakes);
  handshake_.reset();
  return step.size;
}

}  // namespace millrace::input
