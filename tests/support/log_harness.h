// SPDX-License-Identifier: Apache-2.0
#pragma once

// One log on a file system of the test's choice, driven by hand: append, commit, take, finish, and
// start again after a kill or a power cut. The oracle side remembers which records were acked.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "buffer/log.h"
#include "tests/support/scripted_io.h"

namespace millrace::testing {

class LogHarness {
 public:
  explicit LogHarness(io::FileSystem& files, std::string directory = "/buffer/worker0/out/buffer")
      : files_(files), directory_(std::move(directory)) {
    profile.payload_format = buffer::kFormatOpaque;
    profile.chunk_bytes_max = 100'000;
    profile.record_bytes_max = 1 << 20;
    profile.head = [](const ChunkId& id) { return buffer::HeadAndKey{"HEAD", id.uuid()}; };
  }
  ~LogHarness() { stop(); }

  /// Opens (recovers) the log. The error, if it cannot.
  Result<> start() {
    auto log = buffer::Log::open(io(),
                                 buffer::LogSettings{.directory = directory_,
                                                     .output_id = "out",
                                                     .total_limit_bytes = total_limit,
                                                     .key_seed = key_seed,
                                                     .keys = keys,
                                                     .key_bit = 1,
                                                     .moves = moves},
                                 pool_, registry, interrupted);
    if (!log) return tl::unexpected(log.error());
    log_ = std::move(*log);
    commits_ = std::make_unique<buffer::CommitThread>("commit", [this] {
      const std::lock_guard lock(mutex_);
      done_ = true;
      wake_.notify_one();
    });
    return {};
  }

  /// As kill -9 or a power cut leave it: nothing is flushed, sealed or synced.
  void stop() {
    if (commits_ != nullptr) commits_->stop();
    commits_.reset();
    log_.reset();
  }

  /// One request with these records, laid out but not committed.
  void append(const std::vector<std::string>& records, const std::string& stage_key = "") {
    lay_out(records, stage_key);
    log_->appender().end();
  }

  /// The same if the log has room for it, as a client would find it. The room that it had.
  buffer::Room offer(const std::vector<std::string>& records, const std::string& stage_key = "") {
    uint64_t bytes = 0;
    for (const std::string& record : records) bytes += record.size();
    buffer::Room room = log_->room(bytes);
    if (room != buffer::Room::kYes) return room;
    lay_out(records, stage_key);
    room = log_->room_for_open_request();
    if (room == buffer::Room::kYes) {
      log_->appender().end();
    } else {
      log_->appender().abort();
    }
    return room;
  }

  /// Commits what was laid out, and first what the disk refused before. True if it is durable,
  /// false if the disk refuses it, or does not take it in so many rounds. Makes spares as
  /// housekeeping would.
  bool commit(int rounds_max = 5000) {
    while (true) {
      if (!log_->commit_under_way()) {
        const std::lock_guard lock(mutex_);
        done_ = false;
      }
      const uint64_t failures = registry.total(metrics::Metric::kCommitFailures);
      log_->submit(*commits_);
      if (!log_->commit_under_way()) return true;  // nothing to do
      if (!await_commit(failures, rounds_max)) return false;
      std::vector<buffer::CommitThread::Completion> done;
      commits_->take_completions(done);
      CHECK(done.size() == 1);
      log_->completed(*done[0].batch);
      CHECK(log_->appender().seal_debt() == log_->appender().count_seal_debt());
    }
  }

  /// The same while time passes: what housekeeping could not do is tried again.
  bool commit_patiently() {
    for (int i = 0; i < 20; ++i, clock.running += 1000) {
      if (commit(50)) return true;
    }
    return false;
  }

  /// Takes the next chunk that is to be sent and reads it back; nothing if none is queued.
  struct Taken {
    buffer::QueuedChunk chunk;
    buffer::LoadedChunk loaded;
  };
  std::optional<Taken> take() {
    while (log_->queue().counts().queued > 0) {
      Taken taken{.chunk = *log_->queue().take(), .loaded = {}};
      load(taken);
      const auto to_be_sent = log_->left_letters().settle(taken.chunk, taken.loaded);
      if (!to_be_sent) {
        log_->queue().give_back(std::move(taken.chunk));
        return std::nullopt;
      }
      if (*to_be_sent) return taken;
      log_->finish(taken.chunk, buffer::Finish::kDeadLetter);
    }
    return std::nullopt;
  }
  void load(Taken& taken) {
    buffer::ChunkReader reader = log_->make_reader();
    auto read = reader.read(taken.chunk, taken.loaded);
    log_->note_damage(taken.loaded);
    CHECK(read.has_value());
    const buffer::SealPayload& seal = taken.loaded.seal;
    CHECK(taken.chunk.id == seal.open.id && taken.chunk.records == seal.records);
    CHECK(taken.loaded.records + taken.loaded.missing_records == seal.records);
  }
  void finish(const Taken& taken) { log_->finish(taken.chunk, buffer::Finish::kDelivered); }

  /// Bodies of all queued chunks, each finished.
  std::string drain() {
    std::string bodies;
    while (auto taken = take()) {
      bodies += taken->loaded.bytes.substr(taken->loaded.seal.open.head.size());
      finish(*taken);
    }
    return bodies;
  }

  buffer::Log& log() { return *log_; }
  io::Io io() { return io::Io{files_, clock, random}; }

  ScriptedClock clock;
  ScriptedRandom random;
  metrics::Registry registry;
  buffer::ChunkProfile profile;
  std::atomic<bool> interrupted{false};
  uint64_t total_limit = 1ULL << 40;
  buffer::MoveLimits moves;
  uint64_t key_seed = 42;
  buffer::KeyTable* keys = nullptr;
  std::optional<buffer::RequestKey> next_key;  // of the next request

 private:
  void lay_out(const std::vector<std::string>& records, const std::string& stage_key) {
    buffer::StageTarget target{.stage_key = stage_key, .profile = &profile};
    log_->appender().begin(next_request_++, std::exchange(next_key, std::nullopt));
    for (const std::string& record : records) {
      log_->appender().put(target, record);
    }
  }

  // False when the disk has refused it; one that refuses is not asked before a second has passed.
  bool await_commit(uint64_t failures_before, int rounds_max) {
    const bool asked =
        !log_->refusing() || clock.running >= refused_ms_ + buffer::LogWriter::kProbeFullEveryMs;
    for (int rounds = 0; rounds < (asked ? rounds_max : 10); ++rounds) {
      if (log_->tend()) commits_->retry_waiting();
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, std::chrono::milliseconds(2), [this] { return done_; })) return true;
      if (log_->refusing() && registry.total(metrics::Metric::kCommitFailures) > failures_before) {
        refused_ms_ = clock.running;
        return false;
      }
    }
    return false;
  }

  io::FileSystem& files_;
  const std::string directory_;
  buffer::BlockPool pool_;
  std::unique_ptr<buffer::Log> log_;
  std::unique_ptr<buffer::CommitThread> commits_;
  uint64_t next_request_ = 1;
  std::mutex mutex_;  // guards done_
  std::condition_variable wake_;
  bool done_ = false;
  uint64_t refused_ms_ = 0;
};

}  // namespace millrace::testing
