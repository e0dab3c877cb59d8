// SPDX-License-Identifier: Apache-2.0
// How a message gets into a log, or not because it is there already: what Ingest asks the key
// table.

#include "base/check.h"
#include "ingest/ingest.h"

namespace millrace::ingest {

using buffer::KeyTable;
using input::Message;
using input::Verdict;
using metrics::Metric;

// Nothing: the caller stores it, and begin() and end() or give_up() follow. Else the answer. What
// is stored needs no room, so that is asked first; what is new claims its key last, for nobody may
// wait for a message that then finds no room.
std::optional<Verdict> Ingest::enter(Request& request, const Message& message,
                                     config::OverflowAction action, input::Ticket ticket,
                                     input::Replies& replies) {
  KeyTable& keys = parts_.shared.keys;
  end_previous(message);
  const bool known = request.key && keys.on();
  if (known && keys.is_durable(*request.key, request.log.settings().key_bit)) {
    parts_.cells.add(Metric::kRepeatStored);
    note_key(message, *request.key);
    return Verdict::kDone;
  }
  const Admission admission =
      admit(request.log, action, estimate_of(message.entries.size()), request.large);
  if (admission == Admission::kNotNow) return Verdict::kNotNow;
  if (admission == Admission::kNoMemory) return Verdict::kNoMemory;
  if (admission == Admission::kRefused) return Verdict::kRefused;
  if (!known) return std::nullopt;
  note_key(message, *request.key);
  const auto repeat = claim(*request.key, request.log, ticket, replies);
  if (repeat && request.large) parts_.shared.large_token = false;
  return repeat;
}

void Ingest::begin(const Request& request) {
  request.log.appender().begin(pending_.next_id(), request.key);
}

void Ingest::end(const Request& request, input::Ticket ticket, input::Replies& replies) {
  request.log.appender().end();
  pending_.add(PendingRequest{.ticket = ticket, .replies = &replies, .large = request.large});
  parts_.request_submit();
}

// Nothing of it is kept.
void Ingest::give_up(const Request& request) {
  if (request.large) parts_.shared.large_token = false;
  if (request.key && parts_.shared.keys.on()) {
    parts_.shared.keys.failed(*request.key, request.log.settings().key_bit);
  }
}

// Only a message that wants an ack is ever sent again. Keys are written also while nobody looks
// them up: the next process may.
std::optional<buffer::RequestKey> Ingest::key_of(const Message& message) const {
  if (!message.has_chunk) return std::nullopt;
  const buffer::RequestIdentity identity{
      .chunk = message.chunk,
      .tag = message.tag,
      .size_option =
          message.has_size_option ? std::optional<uint64_t>(message.size_option) : std::nullopt,
      .entries = message.entries,
      .peer = message.client.empty() ? message.peer : message.client};
  return buffer::request_key(identity, parts_.shared.key_seed);
}

// An id that is not Fluentd's own may be made from the content alone. Its client goes on to the
// next message when it has read the ack: the same content is new data from then on.
void Ingest::end_previous(const Message& message) const {
  if (message.note == nullptr || !message.note->used) return;
  message.note->used = false;
  parts_.shared.keys.ended(message.note->bytes);
}

void Ingest::note_key(const Message& message, const buffer::RequestKey& key) {
  if (message.note == nullptr || buffer::is_fluentd_chunk_id(message.chunk)) return;
  message.note->used = true;
  message.note->bytes = key;
}

// Nothing: this request is the owner. Whoever waits for another's commit is told on that commit's
// thread.
std::optional<Verdict> Ingest::claim(const buffer::RequestKey& key, const buffer::Log& log,
                                     input::Ticket ticket, input::Replies& replies) {
  const uint64_t id = pending_.next_id();
  const auto waiter = [this, id](bool durable) {
    parts_.post([this, id, durable] { answer(id, durable); });
  };
  switch (
      parts_.shared.keys.claim(key, log.settings().key_bit, parts_.io.clock.running_ms(), waiter)) {
    case KeyTable::Claim::kOwned:
      return std::nullopt;
    case KeyTable::Claim::kPending:
      parts_.cells.add(Metric::kRepeatUnderWay);
      pending_.add(PendingRequest{.ticket = ticket, .replies = &replies});
      return Verdict::kTaken;
    case KeyTable::Claim::kDurable:
      parts_.cells.add(Metric::kRepeatStored);
      return Verdict::kDone;
  }
  CHECK(false);
}

}  // namespace millrace::ingest
