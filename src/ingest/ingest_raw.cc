// SPDX-License-Identifier: Apache-2.0
// Messages that are kept as they came, as dead letters: what cannot be decoded or formatted.

#include "base/check.h"
#include "base/endian.h"
#include "base/log.h"
#include "ingest/ingest.h"

namespace millrace::ingest {
namespace {

using input::Message;
using input::Verdict;
using metrics::Metric;

// What a dead letter's description says of it; a chunk has 1 KiB at most.
constexpr size_t kTagToldBytesMax = 1024;

void append_head(std::string& out, char type, uint32_t size) {
  char bytes[sizeof size];
  store_be<uint32_t>(bytes, size);
  out.push_back(type);
  out.append(bytes, sizeof bytes);
}

// The message with its tag, as an agent would send it.
std::string framed(const Message& message, std::string_view entries) {
  const bool pair = message.shape == input::Shape::kPair;
  std::string frame(1, pair ? '\x93' : '\x92');
  append_head(frame, '\xdb', static_cast<uint32_t>(message.tag.size()));
  frame.append(message.tag);
  if (!pair) append_head(frame, '\xc6', static_cast<uint32_t>(entries.size()));
  return frame.append(entries);
}

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
  // Nothing good makes room for it, whatever overflow_action says.
  Request request{.log = *log,
                  .lane = lane,
                  .estimate = estimate_of(message.entries.size()),
                  .key = key_of(message),
                  .ticket = ticket,
                  .replies = &replies,
                  .blocks = true};
  if (const auto verdict = enter(request, message)) return *verdict;
  begin(request);
  put_raw(request, message, message.entries, buffer::DeadReason::kUndecodable);
  if (const auto full = take_back_if_full(request, message)) return *full;
  end(request);
  log::warn("ingest", "a message that cannot be decoded came again; it goes to dead/ as it came",
            {{"peer", message.peer}, {"tag", message.tag}, {"bytes", message.entries.size()}});
  return Verdict::kTaken;
}

// `bytes` are of its entries; what cannot be decoded is a whole frame, with its tag.
void Ingest::put_raw(const Request& request, const Message& message, std::string_view bytes,
                     buffer::DeadReason reason) {
  const buffer::Metadata metadata{{"tag", std::string(message.tag.substr(0, kTagToldBytesMax))}};
  const buffer::StageTarget target{.metadata = &metadata,
                                   .profile = request.lane != nullptr
                                                  ? &request.lane->opaque_profile()
                                                  : &parts_.unmatched->opaque_profile(),
                                   .dead_reason = reason};
  const bool tag_is_told =
      message.tag.size() <= kTagToldBytesMax || reason == buffer::DeadReason::kUndecodable;
  request.log.appender().put_dead_letter(target, tag_is_told ? bytes : framed(message, bytes));
}

}  // namespace millrace::ingest
