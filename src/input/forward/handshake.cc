// SPDX-License-Identifier: Apache-2.0
#include "input/forward/handshake.h"

#include <cstdint>
#include <optional>

#include "input/forward/foreign.h"

namespace millrace::input {

namespace {

// MessagePack specification, "array format family": what a PING is.
bool begins_array(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return (byte & 0xf0U) == 0x90 || byte == 0xdc || byte == 0xdd;
}

}  // namespace

bool Handshake::will_judge(std::string_view bytes) {
  if (recognise_foreign(bytes).match == Foreign::Match::kYes) return false;
  return !begins_array(bytes[0]) || frames_.scan(bytes) != FrameSplitter::Status::kNeedMore ||
         bytes.size() >= kPingBytesMax;
}

Handshake::Step Handshake::take(std::string_view bytes, std::string_view peer) {
  const Foreign foreign = recognise_foreign(bytes);
  if (foreign.match == Foreign::Match::kYes) {
    Step step;
    step.kind = Step::Kind::kRefused;
    step.reason = CloseReason::kForeign;
    step.protocol = foreign.protocol;
    return step;
  }
  // Also the begin of what may be another protocol: it is an integer, and nothing need follow.
  if (!begins_array(bytes[0])) return judge({}, peer);
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
