// SPDX-License-Identifier: Apache-2.0
#include "input/forward/handshake.h"

#include <optional>

#include "input/forward/foreign.h"

namespace millrace::input {

bool Handshake::will_judge(std::string_view bytes) {
  return recognise_foreign(bytes).match == Foreign::Match::kNo &&
         (frames_.scan(bytes) != FrameSplitter::Status::kNeedMore || bytes.size() >= kPingBytesMax);
}

Handshake::Step Handshake::take(std::string_view bytes, std::string_view peer) {
  const Foreign foreign = recognise_foreign(bytes);
  if (foreign.match == Foreign::Match::kNeedMore) return {};
  if (foreign.match == Foreign::Match::kYes) {
    Step step;
    step.kind = Step::Kind::kRefused;
    step.reason = CloseReason::kForeign;
    step.protocol = foreign.protocol;
    return step;
  }
  switch (frames_.scan(bytes)) {
    case FrameSplitter::Status::kNeedMore:
      if (bytes.size() < kPingBytesMax) return {};
      break;  // no room for the rest of it
    case FrameSplitter::Status::kFrame:
      return judge(bytes.substr(0, frames_.layout().size), peer);
    case FrameSplitter::Status::kMalformed:
    case FrameSplitter::Status::kTooLarge:
      break;
  }
  return judge({}, peer);
}

Handshake::Step Handshake::judge(std::string_view frame, std::string_view peer) const {
  const std::optional<Ping> ping = read_ping(frame);
  Authenticator::Verdict verdict = authenticator_.judge(ping, challenge_, peer);
  Step step;
  step.size = frame.size();
  step.pong = std::move(verdict.pong);
  if (ping) step.hostname = ping->hostname;
  step.kind = verdict.refused ? Step::Kind::kRefused : Step::Kind::kEstablished;
  step.reason = verdict.refused.value_or(CloseReason::kInvalidPing);
  return step;
}

}  // namespace millrace::input
