// SPDX-License-Identifier: Apache-2.0
#include "ingest/ingest.h"

#include "base/check.h"
#include "base/log.h"

namespace millrace::ingest {
namespace {

using input::Message;
using input::Verdict;
using metrics::Metric;

// Each event repeats its tag, each byte of it up to six times; no agent makes such tags.
constexpr size_t kTagBytesMax = 64 << 10;

}  // namespace

Verdict Ingest::Inlet::receive(const Message& message, input::Ticket ticket) {
  CHECK(replies_ != nullptr);
  return ingest_.receive(message, ticket, *replies_);
}

// The way in: a whole message comes from the input; it is routed, given room, its entries are
// formatted as JSON, encoded as KPL records and appended to the staged chunk of the output; then it
// waits for the commit, and is acked (complete()).
Verdict Ingest::receive(const Message& message, input::Ticket ticket, input::Replies& replies) {
  const auto [lane, log] = target_of(message.tag);
  input::EntryReader reader = reader_of(message);
  uint64_t stored = 0;
  if (log == nullptr) {
    input::Entry entry;
    while (reader.next(entry) && reader.skip_record()) ++stored;
    parts_.cells.add(Metric::kDiscardedUnmatched, stored);
    count(reader.counts(), 0);
    return reader.malformed() ? Verdict::kMalformed : Verdict::kDone;
  }

  const config::OverflowAction action =
      lane != nullptr ? lane->options().overflow_action : config::OverflowAction::kBlock;
  Request request{.log = *log, .key = key_of(message)};
  if (const auto verdict = enter(request, message, action, ticket, replies)) return *verdict;
  begin(request);
  const bool whole = lane != nullptr ? append_matched(*lane, request, message, reader, stored)
                                     : append_unmatched(message, reader, stored);
  if (!whole || stored == 0) {
    log->appender().abort();
    give_up(request);
    if (whole) count(reader.counts(), 0);
    if (whole) count(request);
    return whole ? Verdict::kDone : Verdict::kMalformed;
  }
  if (const auto verdict = take_back_if_full(request, message, action)) return *verdict;
  count(reader.counts(), stored);
  count(request);
  end(request, ticket, replies);
  return Verdict::kTaken;
}

// Room in every limit is made sure of before a byte is laid out.
Ingest::Admission Ingest::admit(buffer::Log& log, config::OverflowAction action, uint64_t estimate,
                                bool& large) {
  buffer::Room room = log.room(estimate);
  while (room == buffer::Room::kFull && action == config::OverflowAction::kDropOldestChunk &&
         log.drop_oldest()) {
    room = log.room(estimate);
  }
  if (room != buffer::Room::kYes) return without_room(log, action, room);
  if (!pool_takes(estimate)) return Admission::kNoMemory;
  if (PoolGate::is_large(estimate)) {
    if (parts_.shared.large_token.exchange(true)) {
      blocked_ = true;  // tick() offers it again
      return Admission::kNoMemory;
    }
    large = true;
  }
  return Admission::kYes;
}

Ingest::Admission Ingest::without_room(buffer::Log& log, config::OverflowAction action,
                                       buffer::Room room) {
  const bool full = room == buffer::Room::kFull || room == buffer::Room::kDiskFull;
  if (room != buffer::Room::kNotYet && action == config::OverflowAction::kThrowException) {
    if (full) parts_.cells.add(Metric::kOverflowThrown);
    return Admission::kRefused;
  }
  if (full) parts_.cells.add(Metric::kOverflowBlocked);
  // The room comes when housekeeping has removed what was dropped.
  if (room == buffer::Room::kDiskFull && action == config::OverflowAction::kDropOldestChunk) {
    log.drop_for_disk();
  }
  // What waits for a spare may find room behind the commit that is under way.
  (room == buffer::Room::kNotYet ? blocked_ : without_room_) = true;
  log.when_room(room, parts_.wake_for_room);
  return Admission::kNotNow;
}

// A message may take more than was estimated: what it would take from the SEALs is not its own.
// When it is offered again, its key is not that of a message before it: a copy that came over
// another connection may be durable under it by then.
std::optional<Verdict> Ingest::take_back_if_full(const Request& request, const Message& message,
                                                 config::OverflowAction action) {
  const buffer::Room room = request.log.room_for_open_request();
  if (room == buffer::Room::kYes) return std::nullopt;
  request.log.appender().abort();
  give_up(request);
  if (message.note != nullptr) message.note->used = false;
  const Admission admission = without_room(request.log, action, room);
  return admission == Admission::kRefused ? Verdict::kRefused : Verdict::kNotNow;
}

// False: framing is lost, nothing of the message may be kept.
bool Ingest::append_matched(Lane& lane, Request& request, const Message& message,
                            input::EntryReader& reader, uint64_t& stored) {
  bool expanded = message.tag.size() > kTagBytesMax;
  if (!expanded) lane.begin_request(message.tag, message.decimals);
  input::Entry entry;
  while (!expanded && reader.next(entry)) {
    const Lane::Result result = lane.encode(entry.record, reader.end(), entry.time);
    switch (result.encoded) {
      case Lane::Encoded::kStored:
      case Lane::Encoded::kOversize:
        ++stored;
        reader.advance(result.record_end);
        break;
      case Lane::Encoded::kDiscarded:
        ++request.too_deep;
        if (result.record_end != nullptr) {
          reader.advance(result.record_end);
        } else {
          reader.skip_record();
        }
        break;
      case Lane::Encoded::kTruncated:
        reader.record_truncated();
        break;
      case Lane::Encoded::kMalformed:
        reader.record_malformed();
        break;
      case Lane::Encoded::kExpanded:
        expanded = true;
        break;
    }
    expanded = expanded || lane.request_bytes() > kRequestEncodedBytesMax;
  }
  request.replaced = lane.take_counts();
  if (reader.malformed()) return false;
  if (!expanded) return true;
  keep_expanded(lane, request, message);
  request.too_deep = 0;
  request.replaced = {};
  stored = 1;
  return true;
}

bool Ingest::append_unmatched(const Message& message, input::EntryReader& reader,
                              uint64_t& stored) {
  parts_.unmatched->begin_request(message.tag);
  input::Entry entry;
  while (reader.next(entry)) {
    const char* end = entry.record;
    if (msgpack_token::skip(end, reader.end()) != msgpack_token::Status::kOk) {
      reader.skip_record();  // tells the reader what is wrong with it
      continue;
    }
    parts_.unmatched->put(entry.time, {entry.record, static_cast<size_t>(end - entry.record)});
    ++stored;
    reader.advance(end);
  }
  return !reader.malformed();
}

}  // namespace millrace::ingest
