// SPDX-License-Identifier: Apache-2.0
// Messages that are kept as they came, as dead letters: what cannot be decoded or formatted.

#include "base/check.h"
#include "base/log.h"
#include "ingest/ingest.h"

namespace millrace::ingest {
namespace {

using input::Message;
using input::Verdict;
using metrics::Metric;

// What a dead letter's description says of it; a chunk has 1 KiB at most.
constexpr size_t kTagBytesMax = 1024;

}  // namespace

Verdict Ingest::Inlet::undecodable(const Message& message, input::Ticket ticket) {
  CHECK(replies_ != nullptr);
  return ingest_.undecodable(message, ticket, *replies_);
}

// An agent repeats what is not acked. What comes for the third time would come for ever; it goes to
// dead/, durable before its ack like any other message.
Verdict Ingest::undecodable(const Message& message, input::Ticket ticket, input::Replies& replies) {
  if (!parts_.shared.refusals.is_enough(message.tag, message.chunk)) return Verdict::kMalformed;
  const auto [lane, log] = target_of(message.tag);
  if (log == nullptr) {
    parts_.cells.add(Metric::kDiscardedUnmatched);
    return Verdict::kDone;
  }
  Request request{.log = *log, .key = key_of(message)};
  // Nothing good makes room for it, whatever overflow_action says.
  const auto verdict = enter(request, message, config::OverflowAction::kBlock, ticket, replies);
  if (verdict) return *verdict;
  begin(request);
  put_raw(*log, lane != nullptr ? lane->opaque_profile() : parts_.unmatched->opaque_profile(),
          message, buffer::DeadReason::kUndecodable);
  if (const auto full = take_back_if_full(request, message, config::OverflowAction::kBlock))
    return *full;
  end(request, ticket, replies);
  log::warn("ingest", "a message that cannot be decoded came again; it goes to dead/ as it came",
            {{"peer", message.peer}, {"tag", message.tag}, {"bytes", message.entries.size()}});
  return Verdict::kTaken;
}

// A message that grows beyond all bounds as JSON. What was laid out of it is taken back.
void Ingest::keep_expanded(Lane& lane, const Request& request, const Message& message) {
  lane.log().appender().abort();
  log::warn("ingest", "a message grew too large as JSON; it goes to dead/ as it came",
            {{"peer", message.peer}, {"bytes", message.entries.size()}});
  begin(request);
  put_raw(lane.log(), lane.opaque_profile(), message, buffer::DeadReason::kExpansion);
}

void Ingest::put_raw(buffer::Log& log, const buffer::ChunkProfile& profile, const Message& message,
                     buffer::DeadReason reason) {
  const buffer::Metadata metadata{{"tag", std::string(message.tag.substr(0, kTagBytesMax))}};
  const buffer::StageTarget target{
      .metadata = &metadata, .profile = &profile, .dead_reason = reason};
  log.appender().put_dead_letter(target, message.entries);
}

}  // namespace millrace::ingest
