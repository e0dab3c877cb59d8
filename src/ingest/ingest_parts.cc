// SPDX-License-Identifier: Apache-2.0
// Messages that are too large to be laid out at once: their entries are stored in parts, each a
// request of its own, and the last of them answers for all. A part has a key made of the message's
// and of its place, so that a message sent again goes on where it was broken off.

#include <algorithm>

#include "base/log.h"
#include "ingest/ingest.h"

namespace millrace::ingest {
namespace {

using input::ConnectionNote;
using input::Message;
using input::Verdict;

// Of the entries; above, a message is stored in parts without an attempt to lay it out whole.
constexpr size_t kWholeBytesMax = 16 << 20;
// Of an entry; above, it is not even looked at as JSON. No Kinesis record could hold it.
constexpr size_t kEntryBytesMax = kWholeBytesMax;
// What a part may become, as cost_of() sees it: two of them fit into the pool.
constexpr uint64_t kPartCostMax = 30ULL << 20;
// Entries that grow more than was thought: the parts become so much smaller.
constexpr uint64_t kShrink = 4;
// What a turn of the loop has time for, besides kLeftOutMax: bytes that are looked at.
constexpr size_t kWalkBytesMax = 2 << 20;
// Of each event, beside its record: time, quotes, names, the frame of its record.
constexpr uint64_t kEventCost = 64;
constexpr uint64_t kEstimateMore = 4096;
// Each event repeats its tag, each byte of it up to six times; no agent makes such tags.
constexpr size_t kTagBytesMax = 64 << 10;
// What a message may cost in all. Its events may be as small as they come with a usual tag; with a
// long one, a few kilobytes of gzip would fill the disk.
constexpr uint64_t kGrowthAlways = 2ULL << 30;
constexpr uint64_t kGrowthPerByte = 8;

// JSON is rarely more than twice its MessagePack.
uint64_t cost_of(uint64_t entry_bytes, std::string_view tag) {
  return 2 * entry_bytes + tag.size() + kEventCost;
}

bool grows_too_much(const Message& message, uint64_t entries) {
  return message.tag.size() > kTagBytesMax ||
         entries * cost_of(0, message.tag) >
             kGrowthAlways + kGrowthPerByte * message.entries.size();
}

void leave_parts(ConnectionNote& note) {
  note.part_cost_max = note.offset = note.request = note.walked = note.entries = 0;
  note.left_out_told = false;
  note.part_keys.clear();
}

}  // namespace

uint64_t Ingest::estimate_of(uint64_t entries_bytes) { return 2 * entries_bytes + kEstimateMore; }

bool Ingest::is_in_parts(const Message& message) {
  return message.note->part_cost_max > 0 || message.entries.size() > kWholeBytesMax ||
         message.tag.size() > kTagBytesMax;
}

// What was JSON is made MessagePack anew whenever it is offered: that would cost more.
bool Ingest::has_turns(const Message& message) { return message.mode != input::Mode::kJson; }

// Looks at the next entries, behind note.walked, as many as a turn has time for.
input::EntryReader Ingest::walk_on(const Message& message) {
  ConnectionNote& note = *message.note;
  const std::string_view left = message.entries.substr(note.walked);
  input::EntryReader reader(left, message.shape, {});
  if (has_turns(message)) reader.stop_after(kLeftOutMax);
  input::Entry entry;
  size_t bytes = 0;
  while (reader.next(entry) && reader.skip_record()) {
    ++note.entries;
    bytes = static_cast<size_t>(reader.at() - left.data());
    if (bytes >= kWalkBytesMax && has_turns(message)) break;
  }
  note.walked += static_cast<size_t>(reader.at() - left.data());
  return reader;
}

// The next entries of the message, one at least, up to the cost that its parts may have now. It
// depends on nothing but the message and that: sent again, it has the same parts.
Ingest::Part Ingest::next_part(const Message& message) const {
  const ConnectionNote& note = *message.note;
  const std::string_view left = message.entries.substr(note.offset);
  input::EntryReader reader(left, message.shape, {});
  reader.stop_after(kLeftOutMax);
  Part part;
  input::Entry entry;
  while (reader.next(entry) && reader.skip_record()) {
    const auto end = static_cast<size_t>(reader.at() - left.data());
    const uint64_t cost = cost_of(end - part.size, message.tag);
    if (part.size > 0 && part.cost + cost > note.part_cost_max) return part;
    part.size = end;
    part.cost += cost;
    ++part.entries;
    part.too_long = static_cast<size_t>(reader.at() - entry.begin) > kEntryBytesMax;
    if (part.too_long) break;
  }
  part.size = static_cast<size_t>(reader.at() - left.data());  // with what is broken off at the end
  part.last = part.size == left.size();
  part.left_out = reader.counts();
  return part;
}

// All of it is looked at before any of it is stored. A copy that came over another connection may
// be done first. Nothing: its parts may be stored.
std::optional<Verdict> Ingest::begin_parts(const Request& request, const Message& message) {
  ConnectionNote& note = *message.note;
  if (const auto verdict = repeated(request, message)) {
    leave_parts(note);
    return verdict;
  }
  if (note.offset > 0) return std::nullopt;
  if (note.part_cost_max == 0) {
    note.part_cost_max = kPartCostMax;
    if (request.key) note.parts_key = *request.key;
  }
  if (note.walked < message.entries.size()) {
    note.estimate = note.full_log = 0;
    if (walk_on(message).malformed()) {
      leave_parts(note);
      return Verdict::kMalformed;
    }
    if (note.walked < message.entries.size()) return Verdict::kAgain;
  }
  if (request.lane != nullptr && grows_too_much(message, note.entries)) {
    const Verdict verdict = keep_whole(request, message, note.entries);
    if (verdict == Verdict::kTaken || verdict == Verdict::kDone) leave_parts(note);
    return verdict;
  }
  return std::nullopt;
}

Verdict Ingest::keep_whole(Request request, const Message& message, uint64_t entries) {
  request.estimate = message.tag.size() + message.entries.size() + kEstimateMore;
  if (const auto verdict = enter(request, message)) return *verdict;
  begin(request);
  put_raw(request, message, message.entries, buffer::DeadReason::kExpansion);
  if (const auto full = take_back_if_full(request, message)) return *full;
  parts_.cells.add(metrics::Metric::kReceivedEntries, entries);
  end(request);
  log::warn("ingest", "a message would grow too much as JSON; it goes to dead/ as it came",
            {{"peer", message.peer},
             {"tag_bytes", message.tag.size()},
             {"bytes", message.entries.size()},
             {"entries", entries}});
  return Verdict::kTaken;
}

// Stores a part, if it finds room. After kAgain, kInParts and kNotNow the next offer stores the
// rest.
Verdict Ingest::store_in_parts(const Request& request, const Message& message) {
  ConnectionNote& note = *message.note;
  if (const auto verdict = begin_parts(request, message)) return *verdict;
  while (true) {
    const Part part = next_part(message);
    if (part.entries == 0 && !part.last) {
      count(message, part.left_out, 0);
      note.offset += part.size;
      if (has_turns(message)) return Verdict::kAgain;
      continue;
    }
    Message piece = message;
    piece.entries = message.entries.substr(note.offset, part.size);
    Request of_part = request;
    of_part.estimate = part.cost + kEstimateMore;
    of_part.too_long = part.too_long;
    if (!part.last) {
      of_part.replies = nullptr;
      of_part.whole_key = request.key;
      if (request.key) of_part.key = buffer::part_key(*request.key, note.offset, part.size);
    }
    const Verdict verdict = store(of_part, piece);
    if (verdict == Verdict::kNoMemory) return Verdict::kInParts;
    if (verdict == Verdict::kInParts) {
      note.part_cost_max = std::max<uint64_t>(note.part_cost_max / kShrink, 1);
      continue;
    }
    if (verdict == Verdict::kMalformed) leave_parts(note);
    if (verdict != Verdict::kTaken && verdict != Verdict::kDone) return verdict;
    note.offset += part.size;
    if (part.last) return end_parts(message, verdict);
    if (verdict == Verdict::kTaken) note.request = pending_.next_id() - 1;
    if (of_part.key) note.part_keys.push_back(*of_part.key);
    if (has_turns(message)) return Verdict::kAgain;
  }
}

// A last part that held nothing to store waits for those before it, and then their keys tell the
// message until its client goes on to the next. Else its own key does that from now on.
Verdict Ingest::end_parts(const Message& message, Verdict verdict) {
  ConnectionNote& note = *message.note;
  if (verdict == Verdict::kDone && note.request != 0 && !pending_.is_complete(note.request)) {
    blocked_ = true;
    return Verdict::kInParts;
  }
  std::vector<buffer::RequestKey> part_keys = std::move(note.part_keys);
  leave_parts(note);
  if (buffer::is_fluentd_chunk_id(message.chunk)) return verdict;
  if (verdict == Verdict::kDone) {
    note.part_keys = std::move(part_keys);
  } else {
    for (const buffer::RequestKey& key : part_keys) parts_.shared.keys.renew(key);
  }
  return verdict;
}

}  // namespace millrace::ingest
