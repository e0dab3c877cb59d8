// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ingest: the way in, told on one page (ingest.cc, receive). It takes whole forward messages from
// the inlets of a worker and answers each once it is durable. One per worker; it owns neither logs
// nor connections. Invariant: an ack leaves only after the commit that holds its message has been
// synced. Loop thread. Logs, commit thread and metrics must outlive it.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "buffer/key_table.h"
#include "ingest/lane.h"
#include "ingest/pending.h"
#include "ingest/pool_gate.h"
#include "ingest/refusals.h"
#include "ingest/unmatched.h"
#include "input/forward/entry_reader.h"
#include "metrics/metrics.h"
#include "route/router.h"

namespace millrace::ingest {

/// What the workers share.
struct Shared {
  explicit Shared(uint64_t dedup_window_ms) : keys(dedup_window_ms) {}

  std::atomic<bool> large_token{false};  // held by one request while it is larger than a pool
  Refusals refusals;
  buffer::KeyTable keys;
  uint64_t key_seed = 0;  // set before the logs are opened
};

struct IngestParts {
  io::Io io;
  route::Router router;                      // to an index of lanes
  std::vector<std::unique_ptr<Lane>> lanes;  // by index of [[match]]
  std::unique_ptr<Unmatched> unmatched;      // null: unmatched = "drop"
  buffer::BlockPool& pool;
  buffer::CommitThread& commits;
  metrics::Cells& cells;  // of the loop thread
  Shared& shared;
  std::function<void()> request_submit;   // submit_what_is_due() is wanted at the end of this turn
  std::function<void(bool)> submit_soon;  // it is, or is not, wanted in CommitPace::kWaitUsMax too
  std::function<void()> wake_for_room;    // any thread: room_came() is wanted on the loop
  std::function<void(std::function<void()>)> post;  // any thread: runs it on the loop
};

class Ingest {
 public:
  explicit Ingest(IngestParts parts);
  ~Ingest();

  /// The door for one listener; lives as long as the Ingest. Set its replies before it receives.
  class Inlet : public input::Receiver {
   public:
    explicit Inlet(Ingest& ingest) : ingest_(ingest) {}
    void answer_to(input::Replies& replies) { replies_ = &replies; }
    input::Verdict receive(const input::Message& message, input::Ticket ticket) override;
    input::Verdict undecodable(const input::Message& message, input::Ticket ticket) override;
    bool may_take(const input::ConnectionNote& note) override;
    bool has_room(std::string_view tag, uint64_t size) override;

   private:
    friend class Ingest;
    Ingest& ingest_;
    input::Replies* replies_ = nullptr;
  };
  Inlet& add_inlet();

  /// Hands open batches to the commit thread.
  void submit();
  /// The same, but of a log whose clients come back just now it waits for them.
  void submit_what_is_due();
  /// The commit thread has finished something.
  void commits_done();
  /// Seals what is old, proves idle logs. Every 100 ms.
  void tick();
  /// Seals all staged chunks; the number of them. They are queued when pending() is empty again.
  /// `chosen`, by lane: false leaves its chunks as they are.
  size_t seal_all(buffer::SealReason reason, const std::vector<bool>& chosen = {});
  /// Commits a PAD to each log whose last commit nothing proves; the number of them.
  size_t prove_all();
  /// True when nothing waits for a commit.
  bool idle() const;
  /// Room may have come: offers kept messages again.
  void room_came();

 private:
  /// Of a group, and one record more; above, the message is stored in parts.
  static constexpr uint64_t kRequestEncodedBytesMax = 64ULL << 20;
  /// Entries that are left out, which can be a byte each; likewise.
  static constexpr uint64_t kLeftOutMax = 1 << 18;

  enum class Admission : uint8_t {
    kYes,
    kSoon,  // the next segment is being made
    kNotNow,
    kNoMemory,
    kRefused
  };
  enum class Laid : uint8_t { kWhole, kMalformed, kTooLarge };
  /// Where the messages of a tag go; no log: nobody wants them.
  struct Target {
    Lane* lane;  // null: unmatched
    buffer::Log* log;
  };
  static config::OverflowAction overflow_action_of(const Lane* lane) {
    return lane == nullptr ? config::OverflowAction::kBlock : lane->options().overflow_action;
  }
  /// A message, or a part of one, on its way into a log.
  struct Request {
    buffer::Log& log;
    Lane* lane = nullptr;                         // null: unmatched
    uint64_t estimate = 0;                        // bytes that it may take
    std::optional<buffer::RequestKey> key;        // of one that may be sent again
    std::optional<buffer::RequestKey> whole_key;  // of a part that is not the last: the message's
    input::Ticket ticket;
    input::Replies* replies = nullptr;  // null: a part that is not the last
    bool blocks = false;                // waits, whatever overflow_action says
    bool large = false;                 // holds the process-wide token
    bool too_long = false;              // its only entry is kept as it came
    uint64_t too_deep = 0;              // records that are left out
    uint64_t too_costly = 0;            // records that are kept as they came
    format::ReplacedCounts replaced = {};

    config::OverflowAction overflow_action() const {
      return blocks ? config::OverflowAction::kBlock : overflow_action_of(lane);
    }
  };
  /// Entries of a message, from its note's offset on.
  struct Part {
    size_t size = 0;
    uint64_t cost = 0;
    uint64_t entries = 0;  // that may be stored
    bool last = false;
    bool too_long = false;  // its only entry: to be kept as it came
    input::EntryCounts left_out = {};
  };

  input::Verdict receive(const input::Message& message, input::Ticket ticket,
                         input::Replies& replies);
  input::Verdict undecodable(const input::Message& message, input::Ticket ticket,
                             input::Replies& replies);
  Target target_of(std::string_view tag);
  bool has_room(const Target& target, uint64_t estimate);
  bool is_worth_an_offer(const input::ConnectionNote& note);
  void wait_for(buffer::Log& log, config::OverflowAction action, buffer::Room room);
  input::Verdict drop(const input::Message& message);
  input::Verdict store(Request request, const input::Message& message);
  Laid lay_out(Request& request, const input::Message& message, input::EntryReader& reader,
               uint64_t& stored);
  bool append_matched(Request& request, const input::Message& message, input::EntryReader& reader,
                      uint64_t& stored);
  void append_unmatched(const input::Message& message, input::EntryReader& reader,
                        uint64_t& stored);
  void put_raw(const Request& request, const input::Message& message, std::string_view bytes,
               buffer::DeadReason reason);

  static bool is_in_parts(const input::Message& message);
  static bool has_turns(const input::Message& message);
  static input::EntryReader walk_on(const input::Message& message);
  input::Verdict keep_whole(Request request, const input::Message& message, uint64_t entries);
  input::Verdict store_in_parts(const Request& request, const input::Message& message);
  std::optional<input::Verdict> begin_parts(const Request& request, const input::Message& message);
  input::Verdict end_parts(const input::Message& message, input::Verdict verdict);
  Part next_part(const input::Message& message) const;

  static uint64_t estimate_of(uint64_t entries_bytes);
  bool pool_takes(uint64_t estimate);
  Admission admit(Request& request);
  input::Verdict not_admitted(Admission admission, const Request& request,
                              const input::Message& message) const;
  Admission without_room(buffer::Log& log, config::OverflowAction action, buffer::Room room);
  std::optional<input::Verdict> take_back_if_full(const Request& request,
                                                  const input::Message& message);

  std::optional<input::Verdict> repeated(const Request& request, const input::Message& message);
  std::optional<input::Verdict> enter(Request& request, const input::Message& message);
  void begin(const Request& request);
  void end(const Request& request);
  void give_up(const Request& request, const input::Message& message);
  std::optional<buffer::RequestKey> key_of(const input::Message& message) const;
  void end_previous(const Request& request, const input::Message& message) const;
  static void note_key(const input::Message& message, const buffer::RequestKey& key);
  std::optional<input::Verdict> claim(const Request& request);
  bool is_done_elsewhere(const Request& request) const;

  void count(const input::Message& message, const input::EntryCounts& counts, uint64_t stored);
  void count(const input::Message& message, const Request& request);
  input::EntryReader reader_of(const input::Message& message) const;
  void complete(const buffer::Batch& batch);
  uint64_t stuck_bytes() const;
  void answer(uint64_t id, bool durable);

  IngestParts parts_;
  std::vector<std::unique_ptr<Inlet>> inlets_;
  std::vector<buffer::Log*> logs_;
  Pending pending_;
  std::vector<buffer::CommitThread::Completion> completions_;  // taken, as long as one turn
  PoolGate gate_;
  bool blocked_ = false;       // somebody waits for the pool, or for a spare
  bool without_room_ = false;  // somebody waits until a log has room
  uint64_t offered_ms_ = 0;    // when kept messages were last offered again
};

}  // namespace millrace::ingest
