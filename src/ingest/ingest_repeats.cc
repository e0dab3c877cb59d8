// SPDX-License-Identifier: Apache-2.0
// How a message gets into a log, or not because it is there already: what Ingest asks the key
// table.

#include <utility>

#include "base/check.h"
#include "ingest/ingest.h"

namespace millrace::ingest {

using buffer::KeyTable;
using input::Message;
using input::Verdict;
using metrics::Metric;

// What is stored needs no room, so that is asked first.
std::optional<Verdict> Ingest::repeated(const Request& request, const Message& message) {
  end_previous(request, message);
  const KeyTable& keys = parts_.shared.keys;
  if (!request.key || !keys.on()) return std::nullopt;
  if (!keys.is_durable(*request.key, request.log.settings().key_bit)) return std::nullopt;
  if (request.replies != nullptr) {
    parts_.cells.add(Metric::kRepeatStored);
    note_key(message, *request.key);
  }
  return Verdict::kDone;
}

// Nothing: the caller stores it, and begin() and end() or give_up() follow. Else the answer. What
// is new claims its key last, for nobody may wait for a message that then finds no room.
std::optional<Verdict> Ingest::enter(Request& request, const Message& message) {
  if (const auto verdict = repeated(request, message)) return verdict;
  message.note->estimate = request.estimate;
  message.note->full_log = 0;
  const Admission admission = admit(request);
  if (admission != Admission::kYes) return not_admitted(admission, request, message);
  if (!request.key || !parts_.shared.keys.on()) return std::nullopt;
  if (request.replies != nullptr) note_key(message, *request.key);
  const auto repeat = claim(request);
  if (repeat && request.large) parts_.shared.large_token = false;
  return repeat;
}

void Ingest::begin(const Request& request) {
  request.log.appender().begin(pending_.next_id(), request.key);
}

void Ingest::end(const Request& request) {
  request.log.appender().end();
  pending_.add(
      PendingRequest{.ticket = request.ticket, .replies = request.replies, .large = request.large});
  parts_.request_submit();
}

// Nothing of it is kept. When it is offered again, its key is not that of a message before it: a
// copy that came over another connection may be durable under it by then.
void Ingest::give_up(const Request& request, const Message& message) {
  request.log.appender().abort();
  message.note->key_used = false;
  if (request.large) parts_.shared.large_token = false;
  if (request.key && parts_.shared.keys.on()) {
    parts_.shared.keys.failed(*request.key, request.log.settings().key_bit);
  }
}

// Only a message that wants an ack is ever sent again. Keys are written also while nobody looks
// them up: the next process may.
std::optional<buffer::RequestKey> Ingest::key_of(const Message& message) const {
  if (!message.has_chunk) return std::nullopt;
  if (message.note->part_cost_max > 0) return message.note->parts_key;
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
// next message when it has read the ack: the same content is new data from then on. One that sends
// the same content without waiting for the ack sends new data, too.
void Ingest::end_previous(const Request& request, const Message& message) const {
  input::ConnectionNote& note = *message.note;
  if (note.part_cost_max > 0) return;  // the message is not the next one but under way itself
  const bool equal = note.key_used && request.key == note.key;
  const auto end_key = [&](const buffer::RequestKey& key) {
    equal ? parts_.shared.keys.renew(key) : parts_.shared.keys.ended(key);
  };
  for (const buffer::RequestKey& key : note.part_keys) end_key(key);
  note.part_keys.clear();
  if (std::exchange(note.key_used, false)) end_key(note.key);
}

void Ingest::note_key(const Message& message, const buffer::RequestKey& key) {
  if (buffer::is_fluentd_chunk_id(message.chunk)) return;
  message.note->key_used = true;
  message.note->key = key;
}

// Nothing: this request is the owner. Whoever waits for another's commit is told on that commit's
// thread; a part is offered again instead.
std::optional<Verdict> Ingest::claim(const Request& request) {
  KeyTable::Waiter waiter;
  if (request.replies != nullptr) {
    waiter = [this, id = pending_.next_id()](bool durable) {
      parts_.post([this, id, durable] { answer(id, durable); });
    };
  }
  switch (parts_.shared.keys.claim(*request.key, request.log.settings().key_bit,
                                   parts_.io.clock.running_ms(), waiter)) {
    case KeyTable::Claim::kOwned:
      if (!is_done_elsewhere(request)) return std::nullopt;
      parts_.shared.keys.failed(*request.key, request.log.settings().key_bit);
      blocked_ = true;
      return Verdict::kNoMemory;
    case KeyTable::Claim::kPending:
      if (request.replies == nullptr) {
        blocked_ = true;
        return Verdict::kNoMemory;
      }
      parts_.cells.add(Metric::kRepeatUnderWay);
      pending_.add(PendingRequest{.ticket = request.ticket, .replies = request.replies});
      return Verdict::kTaken;
    case KeyTable::Claim::kDurable:
      if (request.replies != nullptr) parts_.cells.add(Metric::kRepeatStored);
      return Verdict::kDone;
  }
  CHECK(false);
}

// A copy whose last part is on its way has renewed the keys of the parts, for its own key tells the
// message by then. Asked after the part's key was claimed: so either is seen.
bool Ingest::is_done_elsewhere(const Request& request) const {
  return request.whole_key &&
         parts_.shared.keys.knows(*request.whole_key, request.log.settings().key_bit);
}

}  // namespace millrace::ingest
