// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/node.h"

#include <charconv>
#include <cstring>

#include "base/check.h"

namespace millrace::fault {
namespace {

using buffer::Log;
using buffer::LogWriter;
using metrics::Metric;

constexpr uint64_t kKeySeed = 42;
constexpr int kTries = 12;

buffer::RequestKey key_of(uint32_t number) {
  buffer::RequestKey key{};
  const uint64_t words[2] = {0x9e3779b97f4a7c15U * (number + 1), number};
  std::memcpy(key.data(), words, sizeof words);
  return key;
}

std::optional<ChunkId> parse_id(std::string_view hex) {
  ChunkId id;
  if (hex.size() != 2 * id.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < id.bytes.size(); ++i) {
    const char* at = hex.data() + 2 * i;
    if (std::from_chars(at, at + 2, id.bytes[i], 16).ptr != at + 2) return std::nullopt;
  }
  return id;
}

}  // namespace

Node::Node(const Plan& plan, Machine machine, Oracle& oracle, uint32_t life)
    : plan_(plan), machine_(machine), oracle_(oracle) {
  for (size_t output = 0; output < plan.outputs; ++output) {
    buffer::ChunkProfile profile;
    profile.payload_format = buffer::kFormatOpaque;
    profile.chunk_bytes_max = plan.chunk_bytes_max + 100 * life;
    profile.record_bytes_max = 1 << 20;
    profile.records_max = plan.records_max;
    profile.seal_each_request = plan.seal_each_request;
    profile.head = [life](const ChunkId& id) {
      return buffer::HeadAndKey{"life " + std::to_string(life) + "\n", id.uuid()};
    };
    profiles_.push_back(std::move(profile));
  }
}

Node::~Node() = default;

Result<> Node::start() {
  for (size_t i = 0; i < plan_.logs(); ++i) {
    auto log =
        Log::open(io::Io{machine_.files, machine_.clock, machine_.random},
                  buffer::LogSettings{.directory = plan_.directory_of(i),
                                      .output_id = "out" + std::to_string(plan_.output_of(i)),
                                      .worker_id = static_cast<uint32_t>(i % plan_.workers),
                                      .total_limit_bytes = plan_.total_limit_bytes,
                                      .key_seed = kKeySeed,
                                      .keys = &keys_,
                                      .key_bit = uint64_t{1} << plan_.output_of(i),
                                      .moves = {.spill_after_ms = plan_.spill_after_ms,
                                                .frame_bytes_max = plan_.move_bytes_max}},
                  machine_.pool, registry_, interrupted_);
    if (!log) return tl::unexpected(log.error());
    logs_.push_back(std::move(*log));
    stalled_.push_back(nullptr);
  }
  oracle_.started(alarms());
  if (distrust_syncs) return {};
  for (size_t i = 0; i < logs_.size(); ++i) oracle_.lines_durable(i);
  return {};
}

uint64_t Node::alarms() const {
  return total(Metric::kMissingSegments) + total(Metric::kCorruptBytes) +
         total(Metric::kDamagedChunks);
}

void Node::step(const Step& step) {
  switch (step.act) {
    case Act::kSend:
      return send(plan_.requests[step.value], step.log % plan_.workers);
    case Act::kCommit:
      commit(step.log);
      return;
    case Act::kSeal:
      return seal(step.log);
    case Act::kSealOld:
      appender(step.log).seal_older_than(machine_.clock.running_ms() - 1000,
                                         buffer::SealReason::kInterval);
      return;
    case Act::kDeliver:
      if (auto taken = take(step.log)) finish(step.log, *taken);
      return;
    case Act::kTake:
      take(step.log);
      return;
    case Act::kGiveBack:
      return fail_attempt(step.log);
    case Act::kGiveUp:
      if (auto taken = take(step.log)) {
        taken->chunk.give_up = buffer::GiveUp::kRefused;
        logs_[step.log]->queue().give_up(std::move(taken->chunk));
      }
      return;
    case Act::kDrop:
      return drop(step.log);
    case Act::kTend:
      return tend(step.log);
    case Act::kPad:
      machine_.clock.pass(1100);
      if (logs_[step.log]->wants_pad(1000)) appender(step.log).put_pad();
      commit(step.log);
      return;
    case Act::kMove:
      machine_.clock.pass(plan_.spill_after_ms);
      tend(step.log);
      commit(step.log);
      return tend(step.log);
    case Act::kPass:
      return machine_.clock.pass(step.value);
    case Act::kResend:
      return resend(step.log % plan_.workers);
    case Act::kKill:
    case Act::kCut:
    case Act::kDiskFull:
    case Act::kDiskSpace:
    case Act::kSyncFails:
      CHECK(false);  // the machine's
  }
}

void Node::fail_attempt(size_t log) {
  auto taken = take(log);
  if (!taken) return;
  const uint64_t now = machine_.clock.running_ms();
  ++taken->chunk.failures;
  if (taken->chunk.first_failure_ms == 0) taken->chunk.first_failure_ms = now;
  taken->chunk.not_before_ms = now + 500;
  logs_[log]->note_attempt(taken->chunk);
  logs_[log]->queue().give_back(std::move(taken->chunk));
}

// What is dropped was asked for: the world counts it as finished.
void Node::drop(size_t log) {
  if (auto taken = take(log)) {
    logs_[log]->finish(taken->chunk, buffer::Finish::kDropped);
    oracle_.finished(log, taken->chunk.seq);
  }
}

void Node::send(const Request& request, size_t worker) {
  const size_t index = plan_.log_of(request.output, worker);
  Log& log = *logs_[index];
  uint64_t bytes = 0;
  for (const uint32_t record : request.record_bytes) bytes += record;
  oracle_.sent(request.number);
  if (!request.keyed) {
    if (has_room(index, bytes)) append(request, index, std::nullopt);
    return;
  }
  const buffer::RequestKey key = key_of(request.number);
  if (keys_.is_durable(key, log.settings().key_bit)) return oracle_.acked(request.number);
  if (!has_room(index, bytes)) return;
  const auto waiter = [this, number = request.number](bool durable) {
    if (durable) oracle_.acked(number);
  };
  switch (keys_.claim(key, log.settings().key_bit, machine_.clock.running_ms(), waiter)) {
    case buffer::KeyTable::Claim::kOwned:
      return append(request, index, key);
    case buffer::KeyTable::Claim::kPending:
      return;
    case buffer::KeyTable::Claim::kDurable:
      return oracle_.acked(request.number);
  }
}

// A client waits while the next segment is made.
bool Node::has_room(size_t log, uint64_t bytes) {
  if (logs_[log]->room(bytes) == buffer::Room::kNotYet) tend(log);
  return logs_[log]->room(bytes) == buffer::Room::kYes;
}

void Node::append(const Request& request, size_t log,
                  const std::optional<buffer::RequestKey>& key) {
  const std::string stage =
      (request.unrouted ? "unrouted" : "stage") + std::to_string(request.stage);
  buffer::StageTarget target{.stage_key = stage, .profile = &profiles_[request.output]};
  if (request.unrouted) {
    target.kind = buffer::ChunkKind::kDeadLetter;
    target.dead_reason = buffer::DeadReason::kUnmatched;
  }
  buffer::Appender& to = appender(log);
  to.begin(request.number, key);
  for (size_t i = 0; i < request.record_bytes.size(); ++i) {
    if (request.dead_letter && i == 0) {
      buffer::StageTarget dead = target;
      dead.dead_reason = buffer::DeadReason::kOversize;
      to.put_dead_letter(dead, record_of(request, i));
    } else {
      to.put(target, record_of(request, i));
    }
  }
  if (logs_[log]->room_for_open_request() == buffer::Room::kYes) return to.end();
  to.abort();
  if (key) keys_.failed(*key, logs_[log]->settings().key_bit);
}

void Node::resend(size_t worker) {
  for (const Request& request : plan_.requests) {
    if (request.keyed && oracle_.is_sent(request.number) && !oracle_.is_acked(request.number)) {
      send(request, worker);
    }
  }
}

bool Node::commit(size_t index) {
  Log& log = *logs_[index];
  if (stalled_[index] != nullptr) {
    if (!wait_for(index, *stalled_[index])) return false;
    stalled_[index].reset();
  }
  auto batch = log.next_commit();
  if (batch == nullptr) return true;
  if (wait_for(index, *batch)) return true;
  stalled_[index] = std::move(batch);
  return false;
}

// The commit thread's part: tried again when there is a spare, or when the disk is probed again.
bool Node::wait_for(size_t index, buffer::Batch& batch) {
  Log& log = *logs_[index];
  for (int tries = 0; tries < kTries; ++tries) {
    if (log.commit(batch) == LogWriter::Outcome::kDurable) {
      for (const uint64_t request : batch.requests) {
        oracle_.acked(static_cast<uint32_t>(request));
      }
      log.completed(batch);
      return true;
    }
    if (tries > 0) machine_.clock.pass(1000);
    tend(index);
  }
  return false;
}

bool Node::commit_all() {
  bool all = true;
  for (size_t i = 0; i < logs_.size(); ++i) {
    all = commit(i) && commit(i) && all;  // what was closed before, then what is open
  }
  return all;
}

std::optional<Node::Taken> Node::take(size_t index) {
  Log& log = *logs_[index];
  if (log.queue().counts().due == 0) return std::nullopt;
  std::optional<Taken> taken;
  taken.emplace(Taken{.chunk = *log.queue().take(), .loaded = {}});
  buffer::ChunkReader reader = log.make_reader();
  if (auto read = reader.read(taken->chunk, taken->loaded); !read) {
    if (read.error().kind == ErrorKind::kCorrupt) oracle_.complain(read.error().message);
    taken->chunk.not_before_ms = machine_.clock.running_ms() + 1000;
    log.queue().give_back(std::move(taken->chunk));
    return std::nullopt;
  }
  if (taken->loaded.damaged) oracle_.complain("a damaged chunk where nothing is damaged");
  oracle_.handed_out(index, taken->chunk.seq, taken->chunk.id, taken->loaded.bytes);
  return taken;
}

void Node::finish(size_t log, const Taken& taken) {
  logs_[log]->finish(taken.chunk, buffer::Finish::kDelivered);
  oracle_.finished(log, taken.chunk.seq);
}

void Node::deliver_all() {
  for (size_t i = 0; i < logs_.size(); ++i) {
    while (auto taken = take(i)) finish(i, *taken);
    tend(i);
  }
}

void Node::tend(size_t log) {
  logs_[log]->tend();
  if (!distrust_syncs) oracle_.lines_durable(log);
}

void Node::look_into_dead(size_t log) {
  const std::string directory = plan_.directory_of(log) + "/dead";
  const auto entries = machine_.files.list(directory);
  if (!entries) return;
  for (const io::DirectoryEntry& entry : *entries) {
    const size_t dot = entry.name.find('.');
    const auto id = parse_id(entry.name.substr(0, dot));
    if (!id || entry.name.substr(dot) != ".chunk") continue;
    const auto told = machine_.files.exists(directory + "/" + entry.name.substr(0, dot) + ".json");
    if (!told || !*told) continue;
    auto bytes = io::read_whole(machine_.files, directory + "/" + entry.name, 1 << 24);
    if (bytes) oracle_.found_dead(log, *id, *bytes);
  }
}

bool Node::finish_all(size_t log) {
  for (int tries = 0; tries < kTries; ++tries) {
    while (auto taken = take(log)) finish(log, *taken);
    tend(log);
    if (!logs_[log]->commit_under_way()) commit(log);  // nothing stays in the hands of a move
    const auto counts = logs_[log]->queue().counts();
    if (counts.queued == 0 && counts.dead_letters == 0) return true;
    machine_.clock.pass(1000);
  }
  return false;
}

bool Node::drain() {
  bool all = commit_all();
  for (size_t i = 0; i < logs_.size(); ++i) {
    all = finish_all(i) && all;  // room for the SEALs, where the buffer is full
    if (!logs_[i]->commit_under_way()) seal(i);
    all = commit(i) && all;
    all = finish_all(i) && all;
    look_into_dead(i);
  }
  return all;
}

}  // namespace millrace::fault
