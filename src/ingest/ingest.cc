// SPDX-License-Identifier: Apache-2.0
#include "ingest/ingest.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace millrace::ingest {

using input::Message;
using input::Verdict;
using metrics::Metric;

Verdict Ingest::Inlet::receive(const Message& message, input::Ticket ticket) {
  CHECK(replies_ != nullptr && message.note != nullptr);
  return ingest_.receive(message, ticket, *replies_);
}

// The way in: a whole message comes from the input; it is routed, given room, its entries are
// formatted as JSON, encoded as KPL records and appended to the staged chunk of the output; then it
// waits for the commit, and is acked (complete()).
Verdict Ingest::receive(const Message& message, input::Ticket ticket, input::Replies& replies) {
  const auto [lane, log] = target_of(message.tag);
  if (log == nullptr) return drop(message);
  const Request request{.log = *log,
                        .lane = lane,
                        .estimate = estimate_of(message.entries.size()),
                        .key = key_of(message),
                        .ticket = ticket,
                        .replies = &replies};
  if (!is_in_parts(message)) {
    const Verdict verdict = store(request, message);
    if (verdict != Verdict::kInParts) return verdict;
  }
  return store_in_parts(request, message);
}

Verdict Ingest::drop(const Message& message) {
  input::ConnectionNote& note = *message.note;
  note.estimate = note.full_log = 0;
  const input::EntryReader reader = walk_on(message);
  parts_.cells.add(Metric::kDiscardedUnmatched, std::exchange(note.entries, 0));
  count(message, reader.counts(), 0);
  const bool all = note.walked == message.entries.size();
  if (!all && !reader.malformed()) return Verdict::kAgain;
  note.walked = 0;
  note.left_out_told = false;
  return reader.malformed() ? Verdict::kMalformed : Verdict::kDone;
}

// A message, or a part of one: one group of the log. kInParts: it is too large for that.
Verdict Ingest::store(Request request, const Message& message) {
  if (const auto verdict = enter(request, message)) return *verdict;
  begin(request);
  input::EntryReader reader = reader_of(message);
  if (has_turns(message)) reader.stop_after(kLeftOutMax);
  uint64_t stored = 0;
  const Laid laid = lay_out(request, message, reader, stored);
  if (laid != Laid::kWhole || stored == 0) {
    give_up(request, message);
    if (laid == Laid::kTooLarge) return Verdict::kInParts;
    if (laid == Laid::kMalformed) return Verdict::kMalformed;
    count(message, reader.counts(), 0);
    count(message, request);
    return Verdict::kDone;
  }
  if (const auto verdict = take_back_if_full(request, message)) return *verdict;
  if (request.too_costly > 0) {
    log::warn("ingest", "records grew too large as JSON; they go to dead/ as they came",
              {{"peer", message.peer}, {"tag", message.tag}, {"records", request.too_costly}});
  }
  count(message, reader.counts(), stored);
  count(message, request);
  end(request);
  return Verdict::kTaken;
}

// Room in every limit is made sure of before a byte is laid out.
Ingest::Admission Ingest::admit(Request& request) {
  const config::OverflowAction action = request.overflow_action();
  buffer::Log& log = request.log;
  buffer::Room room = log.room(request.estimate);
  while (room == buffer::Room::kFull && action == config::OverflowAction::kDropOldestChunk &&
         log.drop_oldest()) {
    room = log.room(request.estimate);
  }
  if (room != buffer::Room::kYes) return without_room(log, action, room);
  if (!pool_takes(request.estimate)) return Admission::kNoMemory;
  if (PoolGate::is_large(request.estimate)) {
    if (parts_.shared.large_token.exchange(true)) {
      blocked_ = true;  // tick() offers it again
      return Admission::kNoMemory;
    }
    request.large = true;
  }
  return Admission::kYes;
}

Ingest::Admission Ingest::without_room(buffer::Log& log, config::OverflowAction action,
                                       buffer::Room room) {
  const bool full = room == buffer::Room::kFull || room == buffer::Room::kDiskFull;
  if (room != buffer::Room::kNotYet && action == config::OverflowAction::kThrowException) {
    if (full) log.count_overflow(Metric::kOverflowThrown);
    return Admission::kRefused;
  }
  if (full) log.count_overflow(Metric::kOverflowBlocked);
  wait_for(log, action, room);
  return room == buffer::Room::kNotYet ? Admission::kSoon : Admission::kNotNow;
}

Verdict Ingest::not_admitted(Admission admission, const Request& request,
                             const Message& message) const {
  switch (admission) {
    case Admission::kSoon:
      if (!is_in_parts(message)) break;
      message.note->estimate = 0;  // no memory is what it waits for
      return Verdict::kNoMemory;
    case Admission::kNoMemory:
      return Verdict::kNoMemory;
    case Admission::kRefused:
      return Verdict::kRefused;
    case Admission::kYes:
    case Admission::kNotNow:
      break;
  }
  const auto log = std::find(logs_.begin(), logs_.end(), &request.log);
  message.note->full_log = 1 + static_cast<size_t>(log - logs_.begin());
  return Verdict::kNotNow;
}

// A message may take more than was estimated: what it would take from the SEALs is not its own.
std::optional<Verdict> Ingest::take_back_if_full(const Request& request, const Message& message) {
  const buffer::Room room = request.log.room_for_open_request();
  if (room == buffer::Room::kYes) return std::nullopt;
  give_up(request, message);
  return not_admitted(without_room(request.log, request.overflow_action(), room), request, message);
}

Ingest::Laid Ingest::lay_out(Request& request, const Message& message, input::EntryReader& reader,
                             uint64_t& stored) {
  bool all = true;
  if (request.lane == nullptr) {
    append_unmatched(message, reader, stored);
  } else {
    all = append_matched(request, message, reader, stored);
  }
  if (reader.malformed()) return Laid::kMalformed;
  if (reader.stopped() && reader.at() != reader.end()) all = false;
  return all ? Laid::kWhole : Laid::kTooLarge;
}

// False: it grew too large.
bool Ingest::append_matched(Request& request, const Message& message, input::EntryReader& reader,
                            uint64_t& stored) {
  Lane& lane = *request.lane;
  lane.begin_request(message.tag, message.decimals);
  input::Entry entry;
  while (reader.next(entry)) {
    if (request.too_long) {
      put_raw(request, message, {entry.begin, static_cast<size_t>(reader.end() - entry.begin)},
              buffer::DeadReason::kExpansion);
      request.too_costly = stored = 1;
      break;
    }
    if (lane.request_bytes() > kRequestEncodedBytesMax) return false;
    const Lane::Result result = lane.encode(entry.record, reader.end(), entry.time);
    switch (result.encoded) {
      case Lane::Encoded::kStored:
      case Lane::Encoded::kOversize:
        ++stored;
        reader.advance(result.record_end);
        break;
      case Lane::Encoded::kTooCostly:
        if (!reader.skip_record()) break;
        put_raw(request, message, {entry.begin, static_cast<size_t>(reader.at() - entry.begin)},
                buffer::DeadReason::kExpansion);
        ++request.too_costly;
        ++stored;
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
    }
  }
  request.replaced = lane.take_counts();
  return true;
}

void Ingest::append_unmatched(const Message& message, input::EntryReader& reader,
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
}

}  // namespace millrace::ingest
