// SPDX-License-Identifier: Apache-2.0
#pragma once

// One output's log and that of the unmatched events behind a real Ingest, driven by hand: messages
// go in, commits, seals and deliveries happen when the test says so. With the scripted clock and
// randomness the bytes on disk depend on nothing else.

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/ingest.h"
#include "tests/support/scripted_io.h"

namespace millrace::testing {

/// The pieces of a MessagePack message.
inline std::string packed_string(std::string_view text) {
  std::string out = "\xdb";
  for (int shift = 24; shift >= 0; shift -= 8) {
    out += static_cast<char>(text.size() >> shift);
  }
  return out.append(text);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

/// [EventTime, record] with string values.
inline std::string packed_entry(uint32_t seconds, uint32_t nanoseconds, const Fields& fields) {
  std::string out("\x92\xd7\x00", 3);
  for (const uint32_t number : {seconds, nanoseconds}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      out += static_cast<char>(number >> shift);
    }
  }
  CHECK(fields.size() < 16);
  out += static_cast<char>(0x80 | fields.size());
  for (const auto& [key, value] : fields) {
    out += packed_string(key) + packed_string(value);
  }
  return out;
}

/// What the tags app.** go to: a local stream.
inline config::Match local_match() {
  config::Match match;
  match.patterns = {"app.**"};
  match.id = "local";
  match.type = config::OutputType::kLocal;
  return match;
}

class IngestHarness : public input::Replies {
 public:
  IngestHarness(io::FileSystem& files, std::string root, config::Match match)
      : match_(std::move(match)), files_(files), root_(std::move(root)) {}
  ~IngestHarness() override { stop(); }

  Result<> start() {
    shared_ = std::make_unique<ingest::Shared>(dedup_window_ms);
    shared_->key_seed = kKeySeed;
    for (const std::string& id : {match_.id, std::string("unmatched")}) {
      auto log = buffer::Log::open(io(),
                                   buffer::LogSettings{.directory = directory(id),
                                                       .output_id = id,
                                                       .total_limit_bytes = total_limit,
                                                       .key_seed = kKeySeed,
                                                       .keys = &shared_->keys,
                                                       .key_bit = 1ULL << logs_.size()},
                                   pool_, registry, interrupted_);
      if (!log) return tl::unexpected(log.error());
      logs_.push_back(std::move(*log));
    }
    commits_ = std::make_unique<buffer::CommitThread>("commit", [this] {
      const std::lock_guard lock(mutex_);
      done_ = true;
      wake_.notify_one();
    });
    std::vector<std::unique_ptr<ingest::Lane>> lanes;
    lanes.push_back(std::make_unique<ingest::Lane>(match_, *logs_[0]));
    lane_ = lanes[0].get();
    auto router = route::Router::make({route::Rule{match_.patterns, 0}});
    if (!router) return tl::unexpected(router.error());
    ingest_ = std::make_unique<ingest::Ingest>(ingest::IngestParts{
        .io = io(),
        .router = std::move(*router),
        .lanes = std::move(lanes),
        .unmatched = keep_unmatched ? std::make_unique<ingest::Unmatched>(*logs_[1]) : nullptr,
        .pool = pool_,
        .commits = *commits_,
        .cells = registry.make_cells(""),
        .shared = *shared_,
        .request_submit = [] {},
        .submit_soon = [this](bool wanted) { submit_wanted_soon = wanted; },
        .wake_for_room = [] {},
        .post =
            [this](std::function<void()> task) {
              const std::lock_guard lock(mutex_);
              posted_.push_back(std::move(task));
            }});
    inlet_ = &ingest_->add_inlet();
    inlet_->answer_to(*this);
    return {};
  }

  /// As kill -9 leaves it.
  void stop() {
    if (commits_ != nullptr) commits_->stop();
    lane_ = nullptr;
    inlet_ = nullptr;
    ingest_.reset();
    commits_.reset();
    logs_.clear();
    posted_.clear();
    shared_.reset();
  }

  /// One message, laid out but not committed; with an ack wanted if `chunk` is given. It is offered
  /// as a connection does it, turn after turn; `turns`, if given, counts them.
  input::Verdict receive(std::string_view tag, const std::string& entries,
                         std::string_view chunk = {}, std::string_view peer = "192.0.2.1",
                         input::ConnectionNote* note = nullptr, uint64_t* turns = nullptr) {
    input::ConnectionNote of_a_new_connection;
    const input::Message message{.mode = input::Mode::kPacked,
                                 .tag = tag,
                                 .entries = entries,
                                 .chunk = chunk,
                                 .has_chunk = !chunk.empty(),
                                 .peer = peer,
                                 .note = note != nullptr ? note : &of_a_new_connection};
    const input::Ticket ticket{.connection = 1, .message = ++messages_};
    auto verdict = input::Verdict::kAgain;
    while (verdict == input::Verdict::kAgain) {
      verdict = inlet_->receive(message, ticket);
      if (turns != nullptr) ++*turns;
    }
    return verdict;
  }

  /// What a connection is told of the message that it keeps.
  bool may_take(const input::ConnectionNote& note) { return inlet_->may_take(note); }
  /// What a connection is told in the midst of a message.
  bool has_room(std::string_view tag, uint64_t size) { return inlet_->has_room(tag, size); }

  /// Hands what is laid out to the commit thread; commit() waits for it.
  void submit() { ingest_->submit(); }
  /// What the loop does at the end of a turn.
  void end_turn() { ingest_->submit_what_is_due(); }

  /// A message that cannot be decoded.
  input::Verdict give_up(std::string_view tag, std::string_view frame, std::string_view chunk) {
    input::ConnectionNote note;
    const input::Message message{.mode = input::Mode::kPacked,
                                 .tag = tag,
                                 .entries = frame,
                                 .chunk = chunk,
                                 .has_chunk = true,
                                 .peer = "192.0.2.1",
                                 .note = &note};
    return inlet_->undecodable(message, input::Ticket{.connection = 1, .message = ++messages_});
  }

  /// What is laid out meets a disk that refuses it.
  void commit_in_vain() {
    ingest_->submit();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!log().refusing()) {
      CHECK(std::chrono::steady_clock::now() < deadline);
      tend();
      wait();
    }
  }

  /// Makes durable what is laid out, housekeeping included unless it must not come to it.
  void commit(bool tended = true) {
    ingest_->submit();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!ingest_->idle()) {
      CHECK(std::chrono::steady_clock::now() < deadline);
      if (tended) tend();
      wait();
      run_posted();
      ingest_->commits_done();
    }
    run_posted();
    if (tended) tend();
  }

  /// The same until so many messages were stored in all; others may wait for a disk that refuses
  /// them.
  void commit_until_stored(size_t count) {
    ingest_->submit();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (stored_count < count) {
      CHECK(std::chrono::steady_clock::now() < deadline);
      tend();
      wait();
      run_posted();
      ingest_->commits_done();
    }
  }

  /// The same for what was appended to the log past Ingest, which would not know the request.
  void commit_beside_ingest(bool tended) {
    log().submit(*commits_);
    while (log().commit_under_way()) {
      wait();
      std::vector<buffer::CommitThread::Completion> completions;
      commits_->take_completions(completions);
      for (buffer::CommitThread::Completion& done : completions) {
        log().completed(*done.batch);
      }
    }
    if (tended) tend();
  }

  /// Time passes, and what is due on the loop is done and durable.
  void pass(uint64_t milliseconds) {
    clock.running += milliseconds;
    clock.wall += milliseconds * 1000;
    ingest_->tick();
    commit();
  }

  void seal(buffer::SealReason reason, bool tended = true) {
    ingest_->seal_all(reason);
    commit(tended);
  }

  void tend() {
    for (auto& log : logs_) {
      if (log->tend()) commits_->retry_waiting();
    }
  }

  buffer::Log& log() { return *logs_[0]; }
  buffer::Log& unmatched() { return *logs_[1]; }
  ingest::Lane& lane() { return *lane_; }
  std::string directory(const std::string& id) const {
    return root_ + "/worker0/" + id + "/buffer";
  }

  /// (bytes, description) of the dead letters of a log.
  std::vector<std::pair<std::string, nlohmann::json>> dead(const std::string& id) {
    std::vector<std::pair<std::string, nlohmann::json>> out;
    const auto entries = files_.list(directory(id) + "/dead");
    for (const io::DirectoryEntry& entry : *entries) {
      const size_t end = entry.name.find(".chunk");
      if (end == std::string::npos) continue;
      const std::string base = directory(id) + "/dead/" + entry.name.substr(0, end);
      out.emplace_back(content(base + ".chunk"), nlohmann::json::parse(content(base + ".json")));
    }
    return out;
  }

  io::Io io() { return io::Io{files_, clock, random}; }

  void stored(input::Ticket) override { ++stored_count; }
  void failed(input::Ticket) override { ++failed_count; }
  void resume() override {}

  ScriptedClock clock;
  ScriptedRandom random;
  metrics::Registry registry;
  uint64_t total_limit = 1ULL << 40;
  bool keep_unmatched = true;
  uint64_t dedup_window_ms = 3'600'000;
  size_t stored_count = 0;
  size_t failed_count = 0;
  bool submit_wanted_soon = false;

 private:
  std::string content(const std::string& path) {
    auto file = files_.open(path, io::OpenMode::kRead);
    CHECK(file.has_value());
    std::string bytes(*(*file)->size(), '\0');
    CHECK((*file)->pread(bytes.data(), bytes.size(), 0).has_value());
    return bytes;
  }

  void wait() {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(5), [this] { return done_; });
    done_ = false;
  }

  void run_posted() {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(posted_);
    }
    for (const auto& task : tasks) {
      task();
    }
  }

  static constexpr uint64_t kKeySeed = 0x0123456789abcdef;

  const config::Match match_;
  io::FileSystem& files_;
  const std::string root_;
  buffer::BlockPool pool_;
  std::atomic<bool> interrupted_{false};
  std::unique_ptr<ingest::Shared> shared_;
  std::vector<std::unique_ptr<buffer::Log>> logs_;
  std::unique_ptr<buffer::CommitThread> commits_;
  std::unique_ptr<ingest::Ingest> ingest_;
  ingest::Lane* lane_ = nullptr;
  ingest::Ingest::Inlet* inlet_ = nullptr;
  uint64_t messages_ = 0;
  std::mutex mutex_;  // guards done_ and posted_
  std::vector<std::function<void()>> posted_;
  std::condition_variable wake_;
  bool done_ = false;
};

}  // namespace millrace::testing
