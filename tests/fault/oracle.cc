// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/oracle.h"

#include <algorithm>
#include <charconv>

#include "io/paged_bytes.h"

namespace millrace::fault {
namespace {

std::string name_of(size_t log, uint64_t seq) {
  return "log " + std::to_string(log) + " chunk " + std::to_string(seq >> 40) + "/" +
         std::to_string(seq & ((uint64_t{1} << 40) - 1));
}

template <class Number>
bool parse(std::string_view& text, char end, Number& number) {
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const size_t used = static_cast<size_t>(at - text.data());
  if (error != std::errc() || used == text.size() || *at != end) return false;
  text.remove_prefix(used + 1);
  return true;
}

}  // namespace

Oracle::Oracle(const Plan& plan) : plan_(&plan) {
  uint32_t records = 0;
  for (const Request& request : plan.requests) {
    requests_.push_back(Sent{.first_record = records});
    records += static_cast<uint32_t>(request.record_bytes.size());
  }
  places_.resize(records);
}

void Oracle::complain(const std::string& what) {
  if (complaint_.empty()) complaint_ = what;
}

void Oracle::acked(uint32_t request) {
  if (!requests_[request].sent) complain("an ack for a message that nobody sent");
  requests_[request].acked = true;
  ++facts_;
}

// I15: a chunk_seq names one chunk, and a chunk id too.
Oracle::Chunk& Oracle::chunk_of(size_t log, uint64_t seq, const ChunkId& id) {
  ++facts_;
  for (Chunk& chunk : chunks_) {
    const bool same_id = chunk.id == id;
    const bool same_seq = chunk.log == log && chunk.seq == seq && seq != 0;
    if (!same_id && !same_seq) continue;
    if (!same_id || chunk.log != log || (seq != 0 && chunk.seq != 0 && chunk.seq != seq)) {
      complain(name_of(log, seq) + " has another chunk's name");
    }
    if (chunk.seq == 0) chunk.seq = seq;
    return chunk;
  }
  chunks_.push_back(Chunk{.id = id, .log = log, .seq = seq});
  return chunks_.back();
}

void Oracle::handed_out(size_t log, uint64_t seq, const ChunkId& id, std::string_view bytes) {
  Chunk& chunk = chunk_of(log, seq, id);
  if (chunk.line) complain(name_of(log, seq) + " is sent again though its line was written");
  const uint64_t hash = io::mix_hash(1, bytes);
  if (chunk.hash != 0 && chunk.hash != hash) {
    complain(name_of(log, seq) + " is sent again with other bytes");
  }
  chunk.hash = hash;
  chunk.seen_in = life_;
  take_records(log, static_cast<size_t>(&chunk - chunks_.data()), bytes);
}

void Oracle::found_dead(size_t log, const ChunkId& id, std::string_view bytes) {
  Chunk& chunk = chunk_of(log, 0, id);
  const uint64_t hash = io::mix_hash(1, bytes);
  if (chunk.hash != 0 && chunk.hash != hash) complain("a file in dead/ has other bytes");
  chunk.hash = hash;
  chunk.seen_in = life_;
  take_records(log, static_cast<size_t>(&chunk - chunks_.data()), bytes);
}

void Oracle::take_records(size_t log, size_t chunk, std::string_view bytes) {
  const size_t head = bytes.find('\n');
  std::string_view body = head == std::string_view::npos ? "" : bytes.substr(head + 1);
  if (body.empty()) complain("a chunk without a record");
  while (!body.empty()) {
    const size_t end = body.find(';');
    if (end == std::string_view::npos) {
      complain("half a record");
      return;
    }
    place(log, chunk, body.substr(0, end + 1));
    body.remove_prefix(end + 1);
  }
}

// G3 nothing is altered or invented; I19 nothing is stored under two chunk ids.
void Oracle::place(size_t log, size_t chunk, std::string_view record) {
  std::string_view rest = record.substr(record.empty() ? 0 : 1);
  uint32_t number = 0;
  size_t index = 0;
  const bool named = !record.empty() && record[0] == 'r' && parse(rest, '.', number) &&
                     parse(rest, '|', index) && number < requests_.size() &&
                     requests_[number].sent &&
                     index < plan_->requests[number].record_bytes.size() &&
                     plan_->requests[number].output == plan_->output_of(log) &&
                     record == record_of(plan_->requests[number], index);
  if (!named) {
    complain("a record that nobody sent: " + std::string(record.substr(0, 30)));
    return;
  }
  uint32_t& place = places_[requests_[number].first_record + index];
  if (place != 0 && place != chunk + 1) {
    complain("record " + std::to_string(number) + "." + std::to_string(index) +
             " is stored twice: in " + name_of(chunks_[place - 1].log, chunks_[place - 1].seq) +
             " and " + name_of(log, chunks_[chunk].seq));
  }
  place = static_cast<uint32_t>(chunk + 1);
}

void Oracle::finished(size_t log, uint64_t seq) {
  ++facts_;
  for (Chunk& chunk : chunks_) {
    if (chunk.log == log && chunk.seq == seq) chunk.finished = chunk.line = true;
  }
}

void Oracle::lines_durable(size_t log) {
  ++facts_;
  for (Chunk& chunk : chunks_) {
    if (chunk.log == log) chunk.line_durable = chunk.line;
  }
}

void Oracle::power_cut() {
  for (Chunk& chunk : chunks_) {
    chunk.line = chunk.line_durable;
  }
}

void Oracle::started(uint64_t alarms) {
  ++facts_;
  ++life_;
  if (alarms > 0) complain("a start tells of damage where there is none");
}

// I17 and I18: what was acked, and what was ever handed out, is with the world or was seen in this
// life; and of a message of which anything is there, everything is.
void Oracle::check_nothing_lacks() {
  for (size_t number = 0; number < requests_.size(); ++number) {
    const Sent& request = requests_[number];
    const size_t records = plan_->requests[number].record_bytes.size();
    size_t there = 0;
    size_t lost = 0;
    for (size_t i = 0; i < records; ++i) {
      const uint32_t place = places_[request.first_record + i];
      if (place == 0) continue;
      const Chunk& chunk = chunks_[place - 1];
      if (chunk.finished || chunk.seen_in == life_) {
        ++there;
      } else {
        ++lost;
      }
    }
    const std::string name = "message " + std::to_string(number);
    if (lost > 0) complain(name + " was handed out once and is gone");
    if (request.acked && there < records) complain(name + " was acked and is not there");
    if (there > 0 && there < records) complain(name + " is there in part");
  }
}

}  // namespace millrace::fault
